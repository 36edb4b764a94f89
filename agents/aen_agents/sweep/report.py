"""Writes a sweep's report.html: its table, one figure and all trials."""

from collections.abc import Sequence
from importlib.metadata import version

import matplotlib as mpl
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup
from matplotlib.figure import Figure

from aen._typing import JsonDict
from aen_agents.report.figures import ACCENT, GREY, RC, as_svg
from aen_agents.runs.folder import write_atomically
from aen_agents.sweep.cells import MOST_COLUMNS, MOST_ROWS, cells_picture
from aen_agents.sweep.folder import SweepFolder
from aen_agents.sweep.text import accuracy_text, best_text, seeds_text, winners_text
from aen_agents.text import counted

MOST_DRAWN = 30
_LONGEST_LABEL = 44


def build_sweep_report(folder: SweepFolder, summary: JsonDict) -> None:
    """Write ``report.html`` from a sweep's summary."""
    drawn = [row for row in summary["combinations"] if row["rank"] is not None][:MOST_DRAWN]
    environment = Environment(
        loader=PackageLoader("aen_agents", "."), autoescape=select_autoescape(), undefined=StrictUndefined
    )
    words = (accuracy_text, counted, seeds_text, winners_text)
    environment.globals |= {word.__name__: word for word in words}
    html = environment.get_template("sweep/template.html").render(
        summary=summary,
        best=best_text(summary),
        picture=Markup(combinations_picture(drawn)) if drawn else "",  # noqa: S704 - created by matplotlib above
        drawn=len(drawn),
        table=summary.get("table"),
        shares=summary.get("shares"),
        cells=Markup(cells_picture(summary["table"])) if "table" in summary else "",  # noqa: S704 - as above
        most_columns=MOST_COLUMNS,
        most_rows=MOST_ROWS,
        sweep=folder.sweep_file.read_text(encoding="utf-8"),
        aen_version=version("aen"),
    )
    write_atomically(folder.report_file, html)


def combinations_picture(rows: Sequence[JsonDict]) -> str:
    """Draw the combinations as SVG, best first: a point for the winner of each seed, their mean and its interval."""
    with mpl.rc_context(RC):
        figure = Figure(figsize=(4.8, 0.9 + 0.3 * len(rows)), layout="constrained")
        axes = figure.subplots()
        axes.spines[["top", "right"]].set_visible(False)
        for place, row in enumerate(rows):
            colour = GREY if place else ACCENT
            values, mean = row["validation_accuracies"], row["validation_accuracy_mean"]
            low, high = row["validation_accuracy_interval"] or (mean, mean)
            axes.plot([low, high], [place, place], color=colour, linewidth=2)
            axes.scatter(values, [place] * len(values), s=14, color="white", edgecolors=colour, zorder=3)
            axes.plot([mean], [place], "o", color=colour, zorder=4)
            axes.text(max(high, *values), place, f"  {mean:.1%}", va="center", fontsize=8)
        names = [row["label"] for row in rows]
        labels = [name if len(name) <= _LONGEST_LABEL else f"{name[: _LONGEST_LABEL - 3]}..." for name in names]
        axes.set(yticks=range(len(rows)), yticklabels=labels, xlabel="validation accuracy of the winner")
        axes.margins(x=0.16)
        axes.tick_params(axis="y", labelsize=8, length=0)
        axes.invert_yaxis()
        axes.xaxis.set_major_formatter(mpl.ticker.PercentFormatter(1, decimals=0))
        return as_svg(figure)
