"""Prints the result of a finished search on the console."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from aen.results.result_rows import HiddenGroupRow, MethodRow, TestedRow
from aen.results.search_result import SearchResult, WholeSpace
from aen.results.verdict import ClassVerdict, MethodVerdict, Verdict


def print_verdict(console: Console, result: SearchResult, report: Path | str) -> None:
    """Print winner, baseline, their difference and where the report is.

    Args:
        console: where to print.
        result: of a complete search; nothing is printed of another.
        report: file or address of its report.
    """
    match result.verdict:
        case MethodVerdict() as verdict:
            table, lines = _methods_table(result, verdict), _methods_lines(result, verdict)
        case ClassVerdict() as verdict:
            table, lines = _class_table(result, verdict), _class_lines(result, verdict)
        case None:
            return
    statement = result.statement
    if statement is not None:
        console.print(statement.sentences[0], style="bold", markup=False, highlight=False, soft_wrap=True)
        lines = [*statement.sentences[1:], *lines]
    console.print(table)
    if result.symmetry_test is not None:
        lines.append(f"before training: {result.symmetry_test.sentence()}")
    for line in [*lines, f"report: {report}"]:
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _table(title: str, headings: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left")
    for heading in (*headings, "validation", "test (95 % interval)", "parameters"):
        table.add_column(heading)
    return table


def _class_table(result: SearchResult, verdict: ClassVerdict) -> Table:
    table = _table(f"{result.name}, seed {result.seed}", ("", "factors", "group"))
    rows = [("winner", verdict.winner), (result.baseline_name, verdict.baseline)]
    for name, row in rows[verdict.baseline_wins :]:
        table.add_row(name, row.decomposition, row.group, *_figures(row))
    return table


def _class_lines(result: SearchResult, verdict: ClassVerdict) -> list[str]:
    lines = [_comparison(result, verdict)]
    if result.space is not None:
        lines.append(_space(result, result.space))
    if verdict.hidden_group is not None:
        lines.append(_hidden_group(verdict.hidden_group))
    found = result.exploration
    visited = "" if found is None else f"{found.states_visited} states, {found.classes_visited} of {result.classes} "
    return [*lines, f"{visited}classes visited, {_work(result, 'children')}" if visited else _work(result, "children")]


def _methods_table(result: SearchResult, verdict: MethodVerdict) -> Table:
    seeds = len(verdict.winner.seeds)
    title = f"{result.name}, {seeds} seed{'s' * (seeds > 1)}"
    table = _table(title, ("method", "groups of the best seed"))
    for row in verdict.selection:
        table.add_row(row.title, row.group, *_figures(row))
    return table


def _methods_lines(result: SearchResult, verdict: MethodVerdict) -> list[str]:
    best = f"the best on validation: {verdict.winner.title}"
    return [best, _comparison(result, verdict), _work(result, "slices")]


def _figures(row: TestedRow | MethodRow) -> tuple[str, str, str]:
    """Return the last columns of a row."""
    low, high = row.test.interval
    return f"{row.validation.mean:.1%}", f"{row.test.mean:.1%} ({low:.1%} to {high:.1%})", f"{row.parameters:,}"


def _work(result: SearchResult, unit: str) -> str:
    """Return what was trained by all starts of the run, and the time it took."""
    return f"{result.trained_in_run} {unit} trained in {result.seconds.of_run:.0f} s"


def _comparison(result: SearchResult, verdict: Verdict) -> str:
    name = result.baseline_name
    if verdict.baseline_wins:
        tried = "no symmetry" if name == "untied" else "nothing"
        return f"the {name} network has the highest mean on validation: {tried} that was tried is better"
    plain = verdict.winner_minus_baseline.test
    mean, (low, high) = plain.mean, plain.interval
    inference = verdict.inference if isinstance(verdict, ClassVerdict) else None
    if inference is not None and inference.gain is not None:  # that of the verdict's sentence: seeds and images
        gain = inference.gain.estimate
        mean, low, high = gain.mean, gain.low, gain.high
    verdict_text = "better beyond the interval" if low > 0 else "not better beyond the interval"
    return (
        f"winner minus {name}, on test: {100 * mean:+.1f} points "
        f"({100 * low:+.1f} to {100 * high:+.1f}): {verdict_text}"
    )


def _space(result: SearchResult, space: WholeSpace) -> str:
    best, seeds = space.classes[0], len(space.seeds)
    text = f"best of all {result.classes} classes when exploring: {best.decomposition} ({best.group})"
    if seeds > 1:
        text += f"; over {seeds} seeds {space.not_separated_from_best} classes are not worse beyond the interval"
    return text


def _hidden_group(hidden: HiddenGroupRow) -> str:
    name = f"the hidden group, {hidden.group} ({hidden.decomposition}),"
    if hidden.is_winner:
        return f"{name} is the winner"
    seen = f"ranked {hidden.rank_in_search} in the search" if hidden.rank_in_search else "was not visited in the search"
    if hidden.winner_has_its_group:
        seen = f"is also the group of the winner, which has other choices besides; it {seen}"
    difference = hidden.winner_minus_it
    low, high = difference.interval
    return (
        f"{name} {seen}; on the same fresh seeds it ranks {hidden.rank} of {hidden.ranked}: winner minus it, on "
        f"validation, {100 * difference.mean:+.1f} points ({100 * low:+.1f} to {100 * high:+.1f})"
    )
