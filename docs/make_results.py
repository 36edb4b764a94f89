"""Write docs/results.md from finished runs:  .venv/bin/python docs/make_results.py RUN [RUN ...].

Runs of the agents exhaustive, equinas_e and equinas_d, on two seeds or more.

Figures come from the runs; sections of other runs stay. What stands between a table's two note marks in
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
from aen_agents.config import ExhaustiveConfig, SearchConfig, list_presets, load_config
from aen_agents.runs.folder import RunFolder

PAGE = Path(__file__).parent / "results.md"
TOP = 10
_PIPE = "\\|"  # in a Markdown table
HEAD = """# Results

**Whole spaces.** Every class of an alphabet, trained on the same seeds and ranked by mean validation accuracy; see
[agents/exhaustive.md](agents/exhaustive.md). Intervals are Student's t, 95 %, over the seeds; differences are paired by
seed. They cover another draw of the seeds, not of the images.

The best of many classes was picked on the very seeds that measure it, so its mean and its lead flatter it, and of
many comparisons at 95 % a few exclude zero by chance. Read a lead in the first table as a candidate; the line on fresh
seeds, which took no part in the choice, says what is left of it. Test images were read once, for the winner on fresh
seeds and the untied network.

**A group for each layer** (names that begin with `equinas`): methods, each run anew on each seed and ranked by mean
validation accuracy; see [agents/equinas_e.md](agents/equinas_e.md) and [agents/equinas_d.md](agents/equinas_d.md). Each
final network met the test images once, and nothing was chosen by that. A method that picks among many candidates by
validation flatters itself there: compare methods by test.

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
    config, summary = folder.config(), folder.summary() or {}
    if summary.get("status") == "complete" and len(summary.get("methods", [{"seeds": []}])[0]["seeds"]) > 1:
        return _methods_section(config, summary, notes.get(config.name, "\n"))
    space = summary.get("space")
    if summary.get("status") != "complete" or space is None or len(space["seeds"]) == 1:
        sys.exit(f"make_results: {folder.path} is no finished run on agent.seeds=2 or more.")
    note = notes.get(config.name, "\n")
    lines = [
        f"## {config.name}\n",
        f"    {command_of(config)}\n",
        f"{_circumstances(summary)}\n",
        _table(summary, space),
        "",
        *_standing(summary, space),
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


def _circumstances(summary: JsonDict) -> str:
    made, seconds = summary["provenance"], summary["seconds"]
    space = summary.get("space")
    seeds = ", ".join(map(str, (space or summary["methods"][0])["seeds"]))
    fresh = f"; fresh seeds {', '.join(map(str, summary['selection_seeds']))}" if space else ""
    what = "children" if space else "slices"
    return (
        f"{made['processor']}, {made['cores']} cores; {made['threads']} thread(s) on {made['device']}; "
        f"torch {made['torch']}, Python {made['python']}. {summary['children_trained']:,} {what} trained in "
        f"{seconds['total']:.0f} s. Seeds {seeds}{fresh}."
    )


def _methods_section(config: SearchConfig, summary: JsonDict, note: str) -> str:
    rows = summary["selection"]
    lines = [
        f"## {config.name}\n",
        f"    {command_of(config)}\n",
        f"{_circumstances(summary)}\n",
        "| method | parameters | validation | test | test, minus no symmetry, points |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        (low, high), (least, most) = row["validation_accuracy_interval"], row["test_accuracy_interval"]
        less = "" if row["method"] == summary["baseline"]["method"] else points(row["minus_no_symmetry"], "test")
        lines.append(
            f"| {row['title']} | {round(fmean(row['parameters_of_seeds'])):,} | "
            f"{row['validation_accuracy_mean']:.1%} ({low:.1%} to {high:.1%}) | "
            f"{row['test_accuracy_mean']:.1%} ({least:.1%} to {most:.1%}) | {less} |"
        )
    found = [
        f"seed {seed}: {_runs(groups)}"
        for seed, groups in zip(rows[0]["seeds"], _searched(rows), strict=True)
        if groups
    ]
    lines += ["", f"Parameters are means over the seeds. Groups that the search came to: {'; '.join(found)}."]
    return "\n".join([*lines, "", f"<!-- note {config.name} -->\n{note}<!-- end of note -->\n"])


def _searched(rows: Sequence[JsonDict]) -> list[list[str] | None]:
    """Return the groups of the layers of the search's network on each seed; of a mixed one's discrete network."""
    by_name = {row["method"]: row["layer_groups"] for row in rows}
    found: list[list[str] | None] = by_name.get("equinas_e") or by_name.get("equinas_d_discrete") or []
    return found or [None] * len(rows[0]["seeds"])


def _runs(groups: Sequence[str]) -> str:
    return ", ".join(f"{group} x{len(list(same))}" for group, same in groupby(groups))


def _table(summary: JsonDict, space: JsonDict) -> str:
    untied, own = summary["baseline"]["class_key"], (space.get("hidden_group") or {}).get("class_key")
    shown = [row for row in space["classes"] if row["rank"] <= TOP or row["class_key"] in (untied, own)]
    lines = [
        "| rank | factors | group | parameters | validation | best minus it, points |",
        "|---|---|---|---|---|---|",
    ]
    for row in shown:
        marks = [mark for key, mark in ((own, "the data's own"), (untied, "untied")) if key == row["class_key"] and key]
        name = row["decomposition"].replace("|", _PIPE) + (f" (**{', '.join(marks)}**)" if marks else "")
        low, high = row["validation_accuracy_interval"]
        lead = "" if row["rank"] == 1 else points(row["best_minus_it"], "validation")
        lines.append(
            f"| {row['rank']} | {name} | {row['group'].replace('|', _PIPE)} | {row['parameters']:,} | "
            f"{row['validation_accuracy_mean']:.1%} ({low:.1%} to {high:.1%}) | {lead} |"
        )
    return "\n".join(lines)


def _standing(summary: JsonDict, space: JsonDict) -> Iterator[str]:
    classes, best, own = len(space["classes"]), space["classes"][0], space.get("hidden_group")
    yield (
        f"- Of {classes} classes, {space['not_separated_from_best']} (the best among them) are not worse than the best "
        "beyond the interval."
    )
    if own is not None and own["rank"] == 1:
        yield f"- The class of the data's own generators, {own['group']}, is the best."
    elif own is not None:
        verdict = _verdict(own["best_minus_it"], "validation")
        yield (
            f"- The class of the data's own generators, {own['group']}, ranks {own['rank']}; the best, "
            f"{best['decomposition']}, minus it: {points(own['best_minus_it'], 'validation')} points, {verdict}."
        )
    elif "hidden_group" in summary:
        yield "- The alphabet cannot express the data's own generators, so no class of the table is theirs."
    winner, hidden = summary["winner"], summary.get("hidden_group")
    if hidden is not None:
        yield (
            f"- On {len(summary['selection_seeds'])} fresh seeds the winner is {winner['decomposition']} "
            f"({winner['validation_accuracy_mean']:.1%}); "
            + (
                "that is the data's own class."
                if hidden["is_winner"]
                else f"minus the data's own class ({hidden['validation_accuracy_mean']:.1%}): "
                f"{points(hidden['winner_minus_it'], 'validation')} points, "
                f"{_verdict(hidden['winner_minus_it'], 'validation')}."
            )
        )
    baseline = summary["baseline"]
    yield (
        f"- Test, read once: {winner['decomposition']} {winner['test_accuracy_mean']:.1%}, untied "
        f"{baseline['test_accuracy_mean']:.1%}, difference {points(summary['winner_minus_baseline'], 'test')} points."
    )


def points(difference: JsonDict, what: str) -> str:
    """Return a difference and its interval in points."""
    low, high = difference[f"{what}_accuracy_interval"]
    return f"{100 * difference[f'{what}_accuracy_mean']:+.1f} ({100 * low:+.1f} to {100 * high:+.1f})"


def _verdict(difference: JsonDict, what: str) -> str:
    low, high = difference[f"{what}_accuracy_interval"]
    return "better beyond the interval" if low > 0 else "worse beyond the interval" if high < 0 else "inside the noise"


if __name__ == "__main__":
    main(sys.argv[1:])
