"""The verdict of a search on the console."""

from rich.console import Console
from rich.table import Table

from aen._typing import JsonDict
from aen_agents.run_folder import RunFolder


def print_verdict(console: Console, summary: JsonDict, folder: RunFolder) -> None:
    """Print winner, baseline, the difference and where the report is."""
    table = Table(title=f"{summary['name']}, seed {summary['seed']}", title_justify="left")
    for heading in ("", "factors", "group", "validation", "test (95 % interval)", "parameters"):
        table.add_column(heading)
    for role, name in (("winner", "winner"), ("baseline", "untied")):
        row = summary[role]
        low, high = row["test_accuracy_interval"]
        table.add_row(
            name,
            row["decomposition"],
            row["group"],
            f"{row['validation_accuracy_mean']:.1%}",
            f"{row['test_accuracy_mean']:.1%} ({low:.1%} to {high:.1%})",
            f"{row['parameters']:,}",
        )
    console.print(table)
    difference = summary["winner_minus_baseline"]
    low, high = difference["test_accuracy_interval"]
    verdict = "better beyond the interval" if difference["better_on_test"] else "not better beyond the interval"
    lines = []
    lines.append(
        f"winner minus untied, on test: {100 * difference['test_accuracy_mean']:+.1f} points "
        f"({100 * low:+.1f} to {100 * high:+.1f}): {verdict}"
    )
    if "hidden_group" in summary:
        hidden = summary["hidden_group"]
        place = "is the winner" if hidden["is_winner"] else f"ranks {hidden['rank']} of {hidden['ranked']}"
        lines.append(f"the data's own group, {hidden['group']} ({hidden['decomposition']}), {place}")
    lines.append(
        f"{summary['states_visited']} states, {summary['classes_visited']} of {summary['classes']} classes visited, "
        f"{summary['children_trained']} children trained in {summary['seconds']['total']:.0f} s"
    )
    lines.append(f"report: {folder.report_file}")
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
