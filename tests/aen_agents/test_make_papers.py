"""The results in docs/papers.md are those of the sweeps, and stand at their marks."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest
from helpers.tiny_sweeps import SEEDS, make

from aen._typing import JsonDict
from aen_agents.config import list_presets

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "papers.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_papers", ROOT / "docs" / "make_papers.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def cell(mean: float, low: float | None) -> JsonDict:
    gain = None if low is None else {"mean": low + 0.01, "interval": [low, low + 0.02]}
    return {"network": "", "mean": mean, "minus_baseline": gain}


def test_a_table_marks_the_best_of_a_row_and_what_is_better_than_the_baseline(script: ModuleType) -> None:
    row = {"label": "name=gmnist-rot90", "cells": {"none": cell(0.8, None), "rot90": cell(0.912, 0.1)}}
    other = {"label": "name=gmnist-none", "cells": {"none": cell(0.95, None)}}
    lines = script.cells({"columns": ["none", "rot90"], "rows": [row, other]}).splitlines()
    assert lines[0] == "| | none | rot90 |"
    assert lines[2:] == ["| gmnist-rot90 | 80.0 | **91.2+** |", "| gmnist-none | **95.0** |  |"]


def test_shares_have_intervals(script: ModuleType) -> None:
    row = {"label": "augment=D4", "seeds": 2, "means": [0.75, 0.25], "intervals": [[0.7, 0.8], [0.2, 0.3]]}
    text = script.shares({"groups": ["D4", "C1"], "rows": [row]})
    assert text.splitlines()[-1] == "| augment=D4 | 2 | 75.0 (70.0 to 80.0) | 25.0 (20.0 to 30.0) |"


def test_results_replace_those_of_the_same_sweep_alone(script: ModuleType, tmp_path: Path) -> None:
    folder, _ = make(tmp_path, SEEDS)
    page = tmp_path / "papers.md"
    page.write_text(
        f"before\n{script.MARK.format('seeds')}\nold\n{script.END}\n{script.MARK.format('b')}\nx\n{script.END}\n"
    )
    script.main([str(folder.path)], page)
    text = page.read_text()
    assert "old" not in text
    assert "Run: 0 of 2 searches." in text
    assert text.startswith("before\n")
    assert text.endswith(f"{script.MARK.format('b')}\nx\n{script.END}\n")
    script.main([str(folder.path)], page)
    assert page.read_text() == text


def test_a_page_without_the_mark_is_left_as_it_is(script: ModuleType, tmp_path: Path) -> None:
    folder, _ = make(tmp_path, SEEDS)
    page = tmp_path / "papers.md"
    page.write_text("text\n")
    with pytest.raises(SystemExit, match="has no line '<!-- results seeds -->'"):
        script.main([str(folder.path)], page)
    assert page.read_text() == "text\n"


def test_every_sweep_of_the_papers_has_its_place_on_the_page(script: ModuleType) -> None:
    sweeps = {name: path for name, path in list_presets("sweep").items() if name.startswith("paper/")}
    assert sweeps
    for name, path in sweeps.items():
        (own,) = re.findall(r"^name: (\S+)$", path.read_text(), re.MULTILINE)
        assert f"aen sweep {name}" in PAGE
        assert script.MARK.format(own) in PAGE


def test_every_preset_on_the_page_exists() -> None:
    named = re.findall(r"aen (search|sweep) (paper/\w+)", PAGE)
    assert {kind for kind, _ in named} == {"search", "sweep"}
    for kind, name in named:
        assert name in list_presets(kind)
