"""Write docs/results.md from finished runs:  .venv/bin/python docs/make_results.py RUN [RUN ...].

Runs of the agents exhaustive, equinas_e and equinas_d, on two seeds or more.

Figures come from the runs; sections of other runs stay. The text between the two note marks of a section in
docs/results.md is written by hand and kept.
"""

import re
import shlex
import sys
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from statistics import fmean
from typing import Any

import yaml

from aen._typing import JsonDict
from aen.errors import AenError
from aen.results.accuracy import TestAccuracy, TestDifference, ValidationAccuracy, ValidationDifference
from aen.results.result_rows import MethodRow
from aen.results.search_result import SearchResult, WholeSpace
from aen.results.verdict import ClassVerdict, MethodVerdict
from aen_agents.config import ExhaustiveConfig, SearchConfig, list_presets, load_config
from aen_agents.runs.folder import RunFolder

PAGE = Path(__file__).parent / "results.md"
TOP = 10
_PIPE = "\\|"  # in a Markdown table
HEAD = """# Results

**Whole spaces.** Every class of an alphabet, trained on the same seeds and ranked by mean validation accuracy; see
[agents/exhaustive.md](agents/exhaustive.md). Intervals are Student's t, 95 %, over the seeds; differences are paired by
seed. They cover another draw of the seeds, not of the images.

The best of many classes was chosen on the seeds that measure it, so its mean and its lead are overestimated, and of
many comparisons at 95 % a few exclude zero by chance. Read a lead in the first table as a candidate; the line on fresh
seeds, which took no part in the choice, confirms it or not. Test images were read once, for the winner on fresh seeds
and the untied network.

**A group for each layer** (names that begin with `equinas`): methods, each run on each seed from the first weights and
ranked by mean validation accuracy; see [agents/equinas_e.md](agents/equinas_e.md) and
[agents/equinas_d.md](agents/equinas_d.md). Each final network was measured on the test images once, and nothing was
chosen by that. The validation accuracy of a method that chooses among many candidates by validation is overestimated:
compare methods by test accuracy.

Tables and figures: `.venv/bin/python docs/make_results.py RUN ...`
"""
NOTE = re.compile(r"<!-- note (\S+) -->\n(.*?)<!-- end of note -->", re.DOTALL)


def main(arguments: Sequence[str], page: Path = PAGE) -> None:
    """Write the page."""
    if not arguments:
        sys.exit("usage: .venv/bin/python docs/make_results.py RUN [RUN ...]")
    before = page.read_text(encoding="utf-8") if page.is_file() else ""
    notes = dict(NOTE.findall(before))
    parts = {part.partition("\n")[0]: f"## {part.rstrip()}\n" for part in before.split("\n## ")[1:]}
    try:
        for run in arguments:
            folder = RunFolder.open(Path(run))
            parts[folder.config().name] = section(folder, notes)
    except AenError as error:
        sys.exit(f"make_results: {error}")
    page.write_text("\n".join([HEAD, *parts.values()]), encoding="utf-8")


def section(folder: RunFolder, notes: dict[str, str]) -> str:
    """Return the part of the page on one run."""
    config, result = folder.config(), folder.result()
    verdict, space = (None, None) if result is None else (result.verdict, result.space)
    note = notes.get(config.name, "\n")
    if result is not None and isinstance(verdict, MethodVerdict) and len(verdict.winner.seeds) > 1:
        return _methods_section(config, result, verdict, note)
    if result is None or not isinstance(verdict, ClassVerdict) or space is None or len(space.seeds) == 1:
        sys.exit(f"make_results: {folder.path} is no finished run on agent.seeds=2 or more.")
    circumstances = _circumstances(
        result, "children", f"{_listed(space.seeds)}; fresh seeds {_listed(result.selection_seeds)}"
    )
    lines = [
        f"## {config.name}\n",
        f"    {command_of(config)}\n",
        f"{circumstances}\n",
        _table(verdict, space),
        "",
        *_standing(result, verdict, space),
        "",
        f"<!-- note {config.name} -->\n{note}<!-- end of note -->\n",
    ]
    return "\n".join(lines)


def command_of(config: SearchConfig) -> str:
    """Return the command with the fewest overrides that gives this very config."""
    files = list(list_presets())
    first = ["agent=exhaustive"] if isinstance(config.agent, ExhaustiveConfig) else []
    files = [file for file in files if first or load_config(file).agent.name == config.agent.name]
    overrides = {file: [*first, *_overrides(file, config, first)] for file in files}
    file = min(files, key=lambda f: len(overrides[f]))
    if load_config(file, overrides[file]) != config:
        raise AenError(f"no preset with overrides gives the config of the run {config.name!r}.")
    words = [file, *overrides[file]]
    return ".venv/bin/aen search " + shlex.join(words)


def _overrides(file: str, config: SearchConfig, first: Sequence[str]) -> list[str]:
    ours, theirs = config.model_dump(mode="json"), load_config(file, first).model_dump(mode="json")
    return [f"{key}={_flow(value)}" for key, value in _differences(ours, theirs)]


def _differences(ours: JsonDict, theirs: JsonDict, place: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in ours.items():
        other = theirs.get(key)
        if isinstance(value, dict) and isinstance(other, dict) and key != "generators":
            yield from _differences(value, other, f"{place}{key}.")
        elif value != other:
            yield f"{place}{key}", value


def _flow(value: object) -> str:
    text = yaml.safe_dump(value, default_flow_style=True, width=10_000, allow_unicode=True)
    return text.removesuffix("...\n").strip()


def _listed(seeds: Sequence[int]) -> str:
    return ", ".join(map(str, seeds))


def _circumstances(result: SearchResult, what: str, seeds: str) -> str:
    made = result.provenance
    return (
        f"{made.processor}, {made.cores} cores; {made.threads} thread(s) on {made.device}; "
        f"torch {made.packages['torch']}, Python {made.python}. {result.children_trained:,} {what} trained in "
        f"{result.seconds.total:.0f} s. Seeds {seeds}."
    )


def _methods_section(config: SearchConfig, result: SearchResult, verdict: MethodVerdict, note: str) -> str:
    rows = verdict.selection
    lines = [
        f"## {config.name}\n",
        f"    {command_of(config)}\n",
        f"{_circumstances(result, 'slices', _listed(verdict.winner.seeds))}\n",
        "| method | parameters | validation | test | test, minus no symmetry, points |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        less = row.minus_no_symmetry if row.method != verdict.baseline.method else None
        lines.append(
            f"| {row.title} | {round(fmean(row.parameters_of_seeds)):,} | {_accuracy(row.validation)} | "
            f"{_accuracy(row.test)} | {'' if less is None else points(less.test)} |"
        )
    found = [
        f"seed {seed}: {_runs(groups)}" for seed, groups in zip(rows[0].seeds, _searched(rows), strict=True) if groups
    ]
    lines += ["", f"Parameters are means over the seeds. Groups that the search found: {'; '.join(found)}."]
    return "\n".join([*lines, "", f"<!-- note {config.name} -->\n{note}<!-- end of note -->\n"])


def _accuracy(accuracy: ValidationAccuracy | TestAccuracy) -> str:
    low, high = accuracy.interval
    return f"{accuracy.mean:.1%} ({low:.1%} to {high:.1%})"


def _searched(rows: Sequence[MethodRow]) -> Sequence[Sequence[str] | None]:
    """Return the groups of the layers of the search's network on each seed; of a mixed one's discrete network."""
    by_name = {row.method: row.layer_groups for row in rows}
    found = by_name.get("equinas_e") or by_name.get("equinas_d_discrete") or ()
    return found or [None] * len(rows[0].seeds)


def _runs(groups: Sequence[str]) -> str:
    return ", ".join(f"{group} x{len(list(same))}" for group, same in groupby(groups))


def _table(verdict: ClassVerdict, space: WholeSpace) -> str:
    untied, hidden = verdict.baseline.class_key, space.hidden_group and space.hidden_group.class_key
    shown = [row for row in space.classes if row.rank <= TOP or row.class_key in (untied, hidden)]
    lines = [
        "| rank | factors | group | parameters | validation | best minus it, points |",
        "|---|---|---|---|---|---|",
    ]
    for row in shown:
        marks = [mark for key, mark in ((hidden, "hidden group"), (untied, "untied")) if key == row.class_key]
        name = row.decomposition.replace("|", _PIPE) + (f" (**{', '.join(marks)}**)" if marks else "")
        lead = "" if row.rank == 1 or row.best_minus_it is None else points(row.best_minus_it)
        lines.append(
            f"| {row.rank} | {name} | {row.group.replace('|', _PIPE)} | {row.parameters:,} | "
            f"{_accuracy(row.validation)} | {lead} |"
        )
    return "\n".join(lines)


def _standing(result: SearchResult, verdict: ClassVerdict, space: WholeSpace) -> Iterator[str]:
    best, own = space.classes[0], space.hidden_group
    yield (
        f"- Of {len(space.classes)} classes, {space.not_separated_from_best} (the best among them) are not worse than "
        "the best beyond the interval."
    )
    if own is not None and own.rank == 1:
        yield f"- The class of the hidden group, {own.group}, is the best."
    elif own is not None and own.best_minus_it is not None:
        yield (
            f"- The class of the hidden group, {own.group}, ranks {own.rank}; the best, {best.decomposition}, minus "
            f"it: {points(own.best_minus_it)} points, {_verdict(own.best_minus_it)}."
        )
    elif verdict.hidden_group is not None:
        yield "- The alphabet cannot express the hidden group, so it has no class in the table."
    winner, hidden, baseline = verdict.winner, verdict.hidden_group, verdict.baseline
    if hidden is not None:
        yield (
            f"- On {len(result.selection_seeds)} fresh seeds the winner is {winner.decomposition} "
            f"({winner.validation.mean:.1%}); "
            + (
                "that is the class of the hidden group."
                if hidden.is_winner
                else f"minus the class of the hidden group ({hidden.validation.mean:.1%}): "
                f"{points(hidden.winner_minus_it)} points, {_verdict(hidden.winner_minus_it)}."
            )
        )
    yield (
        f"- Test, read once: {winner.decomposition} {winner.test.mean:.1%}, untied {baseline.test.mean:.1%}, "
        f"difference {points(verdict.winner_minus_baseline.test)} points."
    )


def points(difference: ValidationDifference | TestDifference) -> str:
    """Return a difference and its interval in points."""
    low, high = difference.interval
    return f"{100 * difference.mean:+.1f} ({100 * low:+.1f} to {100 * high:+.1f})"


def _verdict(difference: ValidationDifference) -> str:
    if difference.better:
        return "better beyond the interval"
    return "worse beyond the interval" if difference.worse else "not separated by the interval"


if __name__ == "__main__":
    main(sys.argv[1:])
