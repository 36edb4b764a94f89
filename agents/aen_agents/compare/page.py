"""Writes the page of a comparison, ``compare.html``, and its pictures; the table on the console."""

from collections.abc import Sequence
from functools import partial

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from rich.console import Console
from rich.table import Table as RichTable

from aen._typing import JsonDict
from aen_agents.compare.folder import CompareFolder
from aen_agents.compare.picture import TITLE, regret_picture, regret_png
from aen_agents.compare.summary import best_by_budget
from aen_agents.report.drawing import in_page
from aen_agents.report.picture import Picture, Table
from aen_agents.text import counted

_WIDEST = 100_000  # characters: more than any table has
COLUMNS = (
    "agent",
    "children until trained",
    "until recommended",
    "among the first 3",
    "regret after 3",
    "after 10",
    "at the end",
    "area",
    "improvement",
    "children",
    "seconds",
)


def agent_rows(summary: JsonDict) -> list[tuple[str, ...]]:
    """Return the cells of each agent, the best first; their headings are `COLUMNS`."""
    return [
        (
            agent["agent"],
            until_text(agent["first_trained"]),
            until_text(agent["first_recommended"]),
            f"{agent['within_first_3']:.0%}",
            points_text(agent["regret"]["3"]),
            points_text(agent["regret"]["10"]),
            points_text(agent["regret"]["all"]),
            points_text(agent["area_children"]),
            f"{agent['improvement'][0]:.0%}",
            f"{agent['children']:.0f}",
            f"{agent['seconds']:,.0f}",
        )
        for agent in summary["agents"]
    ]


def pair_rows(summary: JsonDict) -> list[tuple[str, ...]]:
    """Return the cells of each pair of agents."""
    return [
        (
            f"{row['ours']} before {row['theirs']}",
            f"{row['probability']:.2f}",
            f"{row['low']:.2f} to {row['high']:.2f}",
            str(row["tables"]),
            f"{row['p']:.2g}",
            f"{row['p_holm']:.2g}",
        )
        for row in summary["pairs"]
    ]


PAIR_COLUMNS = ("pair", "probability of improvement", "95 % interval", "tables", "p", "p, corrected (Holm)")


def until_text(found: JsonDict) -> str:
    """Return a median number of children with its interval."""
    middle, low, high = (until_number(found[name]) for name in ("median", "low", "high"))
    return middle if middle == low == high else f"{middle} ({low} to {high})"


def until_number(found: float | None) -> str:
    """Return a number of children; None: more than the budget."""
    return "more" if found is None else f"{found:.0f}"


def points_text(found: Sequence[float]) -> str:
    """Return accuracy points with their interval."""
    return f"{100 * found[0]:.2f} ({100 * found[1]:.2f} to {100 * found[2]:.2f})"


def best_text(summary: JsonDict) -> str:
    """Return which agent has the lowest regret for which budget, as a sentence."""
    curves = next(iter(summary["curves"].values()))
    parts = [
        f"{agent} for {counted(first, 'child', 'children') if first == last else f'{first} to {last} children'}"
        for first, last, agent in best_by_budget(summary["points"], curves)
    ]
    return f"Lowest regret: {', '.join(parts)}."


def notes(summary: JsonDict) -> list[str]:
    """Return what a reader of the figures has to know."""
    held_out = [table["name"] for table in summary["tables"] if table["part"] == "held-out"]
    found = []
    if held_out:
        found.append(
            f"{counted(len(held_out), 'table')} of the held-out part ({', '.join(held_out[:5])}"
            f"{', ...' if len(held_out) > 5 else ''}): agents are judged on them, not tuned on them."  # noqa: PLR2004
        )
    for agent in summary["agents"]:
        learnt = agent.get("trained_on", [])
        if learnt:
            found.append(
                f"{agent['agent']} was trained on {counted(len(learnt), 'of these tables', 'of these tables')}: its "
                "figures there do not tell what it needs on data it has not seen."
            )
    if not summary["complete"]:
        found.append("The comparison is not complete; the same command with this --out continues it.")
    if len({table["name"] for table in summary["tables"]}) < 6:  # noqa: PLR2004
        found.append("With fewer than 6 tables no p-value of the signed-rank test can be below 0.05.")
    return found


def write_page(folder: CompareFolder, summary: JsonDict) -> None:
    """Write ``compare.html``, ``compare.svg`` and ``compare.png``."""
    curves = next(iter(summary["curves"].values()))
    labels = [agent["agent"] for agent in summary["agents"]]
    cells = [
        (f"{point}", *(f"{100 * curves[label]['middle'][place]:.2f}" for label in labels))
        for place, point in enumerate(summary["points"])
    ]
    text = (
        "Interquartile mean over all runs, in accuracy points; bands are 95 % intervals, dots mark the lowest regret."
    )
    picture = Picture.drawn(TITLE, text, partial(regret_picture, summary), Table.of(("children", *labels), cells))
    environment = Environment(
        loader=PackageLoader("aen_agents", "."),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        finalize=in_page,
    )
    html = environment.get_template("compare/template.html").render(
        summary=summary,
        picture=picture,
        best=best_text(summary),
        notes=notes(summary),
        agents=Table.of(COLUMNS, agent_rows(summary)),
        pairs=Table.of(PAIR_COLUMNS, pair_rows(summary)),
        counted=counted,
    )
    folder.write(folder.page_file, html)
    folder.write(
        folder.svg_file, regret_picture(summary).replace("<svg ", '<svg style="background:#ffffff" ', 1) + "\n"
    )
    folder.write(folder.png_file, regret_png(summary))


def print_summary(console: Console, summary: JsonDict, folder: CompareFolder) -> None:
    """Print the table of the agents, which is best for which budget, and where the files are."""
    title = f"{counted(len(summary['agents']), 'agent')}, {counted(len(summary['tables']), 'table')}, "
    title += f"{counted(summary['seeds'], 'seed')}, {counted(summary['children'], 'child', 'children')} at most"
    table = RichTable(title=title, title_justify="left")
    for heading in COLUMNS:
        table.add_column(heading, overflow="fold", justify="left" if heading == "agent" else "right")
    for row in agent_rows(summary):
        table.add_row(*row)
    if console.is_terminal:
        console.print(table, markup=False, highlight=False)
    else:
        width = console.measure(table, options=console.options.update(max_width=_WIDEST, markup=False)).maximum
        type(console)(file=console.file, width=width).print(table, markup=False, highlight=False)
    for line in (best_text(summary), *notes(summary), f"results: {folder.results_file}", f"page: {folder.page_file}"):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
