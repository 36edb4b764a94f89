"""The table of a sweep on the console."""

from rich.console import Console
from rich.table import Table

from aen._typing import JsonDict
from aen_agents.sweep.folder import SweepFolder
from aen_agents.sweep.words import accuracy_text, best_text, seeds_text, winners_text

MOST_ROWS = 40


def print_table(console: Console, summary: JsonDict, folder: SweepFolder) -> None:
    """Print the combinations, best first, what failed, and where the report is."""
    rows = summary["combinations"]
    table = Table(title=f"{summary['name']}, {len(summary['trials'])} trials", title_justify="left")
    for heading in ("", "combination", "seeds", "validation (95 % interval)", "winners", "children trained", "seconds"):
        table.add_column(heading)
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
    console.print(table, markup=False, highlight=False)
    lines = [f"and {len(rows) - MOST_ROWS} more in {folder.summary_file}"] if len(rows) > MOST_ROWS else []
    lines.append(best_text(summary))
    lines += [f"trial {row['number']} failed: {row['message']}" for row in failed(summary)]
    lines.append(f"report: {folder.report_file}")
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def failed(summary: JsonDict) -> list[JsonDict]:
    """Return the trials that failed."""
    return [row for row in summary["trials"] if row["status"] == "failed"]
