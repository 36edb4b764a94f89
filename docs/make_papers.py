"""Write the results of sweeps into docs/papers.md:  .venv/bin/python docs/make_papers.py SWEEP [SWEEP ...].

Each sweep's figures replace what stands between the two result marks of its name; other text stays. The sweep need not
be finished: what is missing is left out, and said.
"""

import re
import sys
from collections.abc import Sequence
from pathlib import Path

from aen._typing import JsonDict
from aen.errors import AenError
from aen_agents.sweep.cells import is_better
from aen_agents.sweep.folder import SweepFolder
from aen_agents.sweep.summary import summarise
from aen_agents.sweep.text import accuracy_text, seeds_text, winners_text
from aen_agents.text import counted

PAGE = Path(__file__).parent / "papers.md"
MARK = "<!-- results {} -->"
END = "<!-- end of results -->"


def main(arguments: Sequence[str], page: Path = PAGE) -> None:
    """Write the page."""
    if not arguments:
        sys.exit("usage: .venv/bin/python docs/make_papers.py SWEEP [SWEEP ...]")
    text = page.read_text(encoding="utf-8")
    try:
        for argument in arguments:
            folder = SweepFolder.open(Path(argument))
            summary = summarise(folder)
            text = replaced(text, summary["name"], section(folder, summary))
    except AenError as error:
        sys.exit(f"make_papers: {error}")
    page.write_text(text, encoding="utf-8")


def replaced(text: str, name: str, content: str) -> str:
    """Return the page with the results of one sweep replaced."""
    mark = MARK.format(name)
    pattern = re.compile(f"{re.escape(mark)}\n.*?{re.escape(END)}", re.DOTALL)
    if not pattern.search(text):
        sys.exit(f"make_papers: the page has no line {mark!r}, where the results of the sweep {name!r} would stand.")
    return pattern.sub(lambda _: f"{mark}\n{content}\n{END}", text)


def section(folder: SweepFolder, summary: JsonDict) -> str:
    """Return the results of a sweep as Markdown."""
    done = sum(row["status"] == "complete" for row in summary["trials"])
    head = [f"Run: {done} of {counted(len(summary['trials']), 'search', 'searches')}{_where(folder)}."]
    parts = [" ".join(head)]
    if "table" in summary:
        parts.append(cells(summary["table"]))
    if "shares" in summary:
        parts.append(shares(summary["shares"]))
    if "table" not in summary and "shares" not in summary:
        parts.append(combinations(summary))
    return "\n\n".join(parts)


def _where(folder: SweepFolder) -> str:
    """Return on what a sweep was run, and the time that its searches took together."""
    _, trials = folder.load()
    results = [result for trial in trials if (result := folder.files(trial).result()) is not None]
    if not results:
        return ""
    p = results[0].provenance
    hours = sum(result.seconds.of_run for result in results) / 3600
    trained = sum(result.trained_in_run for result in results)
    return f"; {trained:,} children trained, {hours:.1f} hours of one core; {p.processor}, torch {p.packages['torch']}"


def cells(table: JsonDict) -> str:
    """Return the table of networks by combination: mean accuracy in percent."""
    names = table["columns"]
    lines = [f"| | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    for row in table["rows"]:
        best = max((cell["mean"] for cell in row["cells"].values()), default=None)
        texts = [_cell(row["cells"].get(name), best) for name in names]
        lines.append(f"| {row['label'].partition('=')[2] or row['label']} | {' | '.join(texts)} |")
    return "\n".join(lines)


def _cell(cell: JsonDict | None, best: float | None) -> str:
    if cell is None:
        return ""
    text = f"{100 * cell['mean']:.1f}" + "+" * is_better(cell)
    return f"**{text}**" if cell["mean"] == best else text


def shares(found: JsonDict) -> str:
    """Return the table of shares in percent, with intervals."""
    lines = [f"| | seeds | {' | '.join(found['groups'])} |", "|---" * (len(found["groups"]) + 2) + "|"]
    for row in found["rows"]:
        ends = row["intervals"] or [None] * len(row["means"])
        texts = [
            f"{100 * mean:.1f}" + ("" if end is None else f" ({100 * end[0]:.1f} to {100 * end[1]:.1f})")
            for mean, end in zip(row["means"], ends, strict=True)
        ]
        lines.append(f"| {row['label']} | {row['seeds']} | {' | '.join(texts)} |")
    return "\n".join(lines)


def combinations(summary: JsonDict) -> str:
    """Return the table of combinations, best first."""
    lines = ["| combination | seeds | validation of the winners (95 % interval) | winners |", "|---|---|---|---|"]
    lines += [
        f"| {row['label']} | {seeds_text(row)} | {accuracy_text(row)} | {winners_text(row)} |"
        for row in summary["combinations"]
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main(sys.argv[1:])
