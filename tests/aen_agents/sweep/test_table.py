"""The table of a sweep on the console: nothing of it is cut."""

import io
import re
from pathlib import Path

import pytest
from helpers.tiny_sweeps import SEEDS, make
from rich.console import Console

from aen_agents.sweep.summary import summarise
from aen_agents.sweep.table import print_table

GRID = {"training.learning_rate": [0.0123456], "data.moves": [["rot90", "hflip"]], "child.hidden": [[16, 16], [8]]}
LABEL = "learning_rate=0.0123456, moves=[rot90, hflip], hidden=[16, 16]"


def printed(folder: Path, *, terminal: bool) -> str:
    sweep, trials = make(folder, SEEDS | {"grid": GRID})
    sweep.files(trials[1]).fail("no luck")
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=terminal, width=80, color_system=None)
    print_table(console, summarise(sweep), sweep)
    return stream.getvalue()


def test_a_file_gets_each_row_in_one_line(tmp_path: Path) -> None:
    said = printed(tmp_path, terminal=False)
    assert f"│ - │ {LABEL} │ 0 of 1, 1 unfinished │ - │" in re.sub(" +", " ", said)


def test_a_terminal_folds(tmp_path: Path) -> None:
    said = printed(tmp_path, terminal=True)
    table = said[said.index("┏") : said.index("└")]
    assert {len(line) for line in table.splitlines()} == {80}
    assert "…" not in table
    cells = [line.split("│")[2].strip() for line in table.splitlines() if line.startswith("│")]
    assert "".join("".join(cells).split()).startswith(LABEL.replace(" ", ""))


def test_what_failed_is_said_with_what_to_do(tmp_path: Path) -> None:
    said = printed(tmp_path, terminal=False)
    assert "trial 1 failed: no luck\n" in said
    assert f"sweep --restore {tmp_path / 'sweep'}\n" in said


@pytest.mark.parametrize(("seeds", "title"), [([0], "seeds, 1 trial "), ([0, 1], "seeds, 2 trials ")], ids=str)
def test_one_is_no_plural(seeds: list[int], title: str, tmp_path: Path) -> None:
    sweep, _ = make(tmp_path, SEEDS | {"grid": {"seed": seeds}})
    stream = io.StringIO()
    print_table(Console(file=stream), summarise(sweep), sweep)
    assert stream.getvalue().startswith(title)
