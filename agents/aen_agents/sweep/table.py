"""The table of a sweep on the console."""

import shlex

from rich.console import Console
from rich.table import Table

from aen._typing import JsonDict
from aen_agents.sweep.folder import SweepFolder
from aen_agents.sweep.text import accuracy_text, best_text, seeds_text, winners_text
from aen_agents.text import command, counted

MOST_ROWS = 40
_WIDEST = 100_000  # characters: more than any table has


def print_table(console: Console, summary: JsonDict, folder: SweepFolder) -> None:
    """Print the combinations, best first, what failed, and where the report is.

    Nothing is cut: a terminal gets cells in several lines; a file or another program, which has no width of its own, a
    table as wide as it is.
    """
    rows = summary["combinations"]
    table = Table(title=f"{summary['name']}, {counted(len(summary['trials']), 'trial')}", title_justify="left")
    for heading in (
        "",
        "combination",
        "seeds",
        "validation (95 % interval)",
        "winners",
        "children\ntrained",
        "seconds",
    ):
        table.add_column(heading, overflow="fold")
    for row in rows[:MOST_ROWS]:
        table.add_row(
            "-" if row["rank"] is None else str(row["rank"]),
            row["label"],
            seeds_text(row),
            accuracy_text(row),
            winners_text(row),
            f"{row['children_trained']:,}",
            f"{row['seconds']:,.0f}",
        )
    if console.is_terminal:
        console.print(table, markup=False, highlight=False)
    else:
        width = console.measure(table, options=console.options.update(max_width=_WIDEST, markup=False)).maximum
        type(console)(file=console.file, width=width).print(table, markup=False, highlight=False)
    lines = [f"and {len(rows) - MOST_ROWS} more in {folder.summary_file}"] if len(rows) > MOST_ROWS else []
    lines.append(best_text(summary))
    lines += [f"trial {row['number']} failed: {row['message']}" for row in failed(summary)]
    if failed(summary):
        lines.append(f"to try again what failed: {command()} sweep --restore {shlex.quote(str(folder.path))}")
    if "table" in summary:
        lines.append(f"accuracy of each network in each combination: {folder.table_file}")
    lines.append(f"report: {folder.report_file}")
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def failed(summary: JsonDict) -> list[JsonDict]:
    """Return the trials that failed."""
    return [row for row in summary["trials"] if row["status"] == "failed"]
