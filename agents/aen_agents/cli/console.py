"""Prints the result of a finished search on the console."""

from rich.console import Console
from rich.table import Table

from aen._typing import JsonDict
from aen_agents.runs.folder import RunFolder


def print_verdict(console: Console, summary: JsonDict, folder: RunFolder) -> None:
    """Print the winner, the baseline, their difference and the path of the report.

    Args:
        console: where to print.
        summary: what ``summary.json`` holds.
        folder: the run folder.
    """
    if "methods" in summary:
        _print_methods(console, summary, folder)
        return
    table = Table(title=f"{summary['name']}, seed {summary['seed']}", title_justify="left")
    for heading in ("", "factors", "group", "validation", "test (95 % interval)", "parameters"):
        table.add_column(heading)
    untied_wins = summary["winner"]["class_key"] == summary["baseline"]["class_key"]
    for role, name in (("winner", "winner"), ("baseline", _baseline_name(summary)))[untied_wins:]:
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
    lines = [_comparison(summary)]
    if "space" in summary:
        lines.append(_space(summary))
    if "hidden_group" in summary:
        lines.append(_hidden_group(summary["hidden_group"]))
    lines.append(
        f"{summary['states_visited']} states, {summary['classes_visited']} of {summary['classes']} classes visited, "
        f"{_work(summary, 'children')}"
    )
    lines.append(f"report: {folder.report_file}")
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _print_methods(console: Console, summary: JsonDict, folder: RunFolder) -> None:
    """Print the result of each method."""
    seeds = len(summary["methods"][0]["seeds"])
    table = Table(title=f"{summary['name']}, {seeds} seed{'s' * (seeds > 1)}", title_justify="left")
    for heading in ("method", "groups of the best seed", "validation", "test (95 % interval)", "parameters"):
        table.add_column(heading)
    for row in summary["selection"]:
        low, high = row["test_accuracy_interval"]
        table.add_row(
            row["title"],
            row["group"],
            f"{row['validation_accuracy_mean']:.1%}",
            f"{row['test_accuracy_mean']:.1%} ({low:.1%} to {high:.1%})",
            f"{row['parameters']:,}",
        )
    console.print(table)
    lines = [
        f"the best on validation: {summary['winner']['title']}",
        _comparison(summary),
        _work(summary, "slices"),
        f"report: {folder.report_file}",
    ]
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _work(summary: JsonDict, unit: str) -> str:
    """Return how much was trained in how much time, over all starts of the run.

    Older summaries hold the figures of the last start only.
    """
    trained = summary.get("children_trained_in_all", summary["children_trained"])
    seconds = summary["seconds"].get("in_all", summary["seconds"]["total"])
    return f"{trained} {unit} trained in {seconds:.0f} s"


def _baseline_name(summary: JsonDict) -> str:
    name: str = summary.get(
        "baseline_name", "untied"
    )  # summaries without the key are of dense children, whose baseline is untied
    return name


def _comparison(summary: JsonDict) -> str:
    name = _baseline_name(summary)
    if summary["winner"]["class_key"] == summary["baseline"]["class_key"]:
        tried = "no symmetry" if name == "untied" else "nothing"
        return f"the {name} network has the highest mean on validation: {tried} that was tried is better"
    difference = summary["winner_minus_baseline"]
    low, high = difference["test_accuracy_interval"]
    verdict = "better beyond the interval" if difference["better_on_test"] else "not better beyond the interval"
    return (
        f"winner minus {name}, on test: {100 * difference['test_accuracy_mean']:+.1f} points "
        f"({100 * low:+.1f} to {100 * high:+.1f}): {verdict}"
    )


def _space(summary: JsonDict) -> str:
    space = summary["space"]
    best, seeds = space["classes"][0], len(space["seeds"])
    text = f"best of all {summary['classes']} classes when exploring: {best['decomposition']} ({best['group']})"
    if seeds > 1:
        text += f"; over {seeds} seeds {space['not_separated_from_best']} classes are not worse beyond the interval"
    return text


def _hidden_group(hidden: JsonDict) -> str:
    name = f"the hidden group of the data, {hidden['group']} ({hidden['decomposition']}),"
    if hidden["is_winner"]:
        return f"{name} is the winner"
    seen = (
        f"ranked {hidden['rank_in_search']} in the search"
        if hidden["rank_in_search"]
        else "was not visited in the search"
    )
    difference = hidden["winner_minus_it"]
    low, high = difference["validation_accuracy_interval"]
    if hidden.get("winner_has_its_group"):
        seen = f"is also the winner's group, but the two networks differ in other choices; it {seen}"
    return (
        f"{name} {seen}; on the same fresh seeds it ranks {hidden['rank']} of {hidden['ranked']}; winner minus hidden "
        f"group, on validation, {100 * difference['validation_accuracy_mean']:+.1f} points "
        f"({100 * low:+.1f} to {100 * high:+.1f})"
    )
