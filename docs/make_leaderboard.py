"""Writes docs/leaderboard.md from the folder of a comparison: ``.venv/bin/python docs/make_leaderboard.py FOLDER``.

The picture is copied to docs/images/leaderboard.svg. The text between the two note marks is written by hand and kept.
"""

import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from aen._typing import JsonDict
from aen.errors import AenError
from aen_agents.compare.folder import CompareFolder
from aen_agents.compare.page import COLUMNS, PAIR_COLUMNS, agent_rows, best_text, notes, pair_rows, until_number

PAGE = Path(__file__).parent / "leaderboard.md"
NOTE = re.compile(r"<!-- note -->\n(.*?)<!-- end of note -->", re.DOTALL)


def main(arguments: Sequence[str], page: Path = PAGE) -> None:
    """Write the page."""
    if len(arguments) != 1:
        sys.exit("usage: .venv/bin/python docs/make_leaderboard.py FOLDER, the --out of aen compare")
    folder = CompareFolder(Path(arguments[0]))
    try:
        summary = folder.read_summary()
    except AenError as error:
        sys.exit(f"make_leaderboard: {error}")
    if not folder.svg_file.is_file():
        sys.exit(f"make_leaderboard: {folder.svg_file} is missing; run the comparison again in this folder.")
    before = page.read_text(encoding="utf-8") if page.is_file() else ""
    note = NOTE.search(before)
    (page.parent / "images").mkdir(exist_ok=True)
    shutil.copyfile(folder.svg_file, page.parent / "images" / "leaderboard.svg")
    page.write_text(text_of(summary, note[1] if note else "\n"), encoding="utf-8")


def text_of(summary: JsonDict, note: str) -> str:
    """Return the page."""
    tables = summary["tables"]
    releases = sorted({table["aen"] or "unknown" for table in tables})
    size = (
        f"{len(summary['agents'])} agents, {len(tables)} tables, {summary['seeds']} runs of each agent on each table, "
        f"{summary['children']} children at most. [How agents are judged](compare.md) defines every column."
    )
    parts = [
        "# Leaderboard",
        f"<!-- note -->\n{note}<!-- end of note -->",
        size,
        best_text(summary),
        *notes(summary),
        "![Simple regret of each agent over the number of children](images/leaderboard.svg)",
        "## Agents",
        _table(COLUMNS, agent_rows(summary)),
        "## Pairs",
        "The probability that a run of the first agent has a smaller normalised area than one of the second.",
        _table(PAIR_COLUMNS, pair_rows(summary)),
        "## Children until a class within 0.5 points of the best is trained, by table (median)",
        _by_table(summary),
        "## How it was made",
        f"```bash\n{_command(summary)}\n.venv/bin/python docs/make_leaderboard.py FOLDER\n```",
        f"{summary['date']}, aen {summary['aen']}, tables built by aen {', '.join(releases)}; {summary['machine']}.",
    ]
    return "\n\n".join(parts) + "\n"


def _command(summary: JsonDict) -> str:
    words = re.sub(r"^\S*aen ", ".venv/bin/aen ", summary["command"])
    return re.sub(
        r" --(out|folder) \S+", lambda found: f" --{found[1]} {'FOLDER' if found[1] == 'out' else 'TABLES'}", words
    )


def _by_table(summary: JsonDict) -> str:
    labels = [agent["agent"] for agent in summary["agents"]]
    rows = [
        (
            table["name"],
            table["part"],
            f"{table['near_best']} of {table['classes']}",
            *(until_number(summary["by_table"][table["name"]].get(label, {}).get("first_trained")) for label in labels),
        )
        for table in summary["tables"]
    ]
    return _table(("table", "part", "near-best classes", *labels), rows)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    lines += [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows]
    return "\n".join(lines)


if __name__ == "__main__":
    main(sys.argv[1:])
