"""The strategy of docs/add_agent.md, as a plug-in of another package: in a comparison and in a search."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.small_tables import write_tables

PLUGINS = Path(__file__).parents[2] / "helpers" / "toy_plugins"
PAGE = Path(__file__).parents[3] / "docs" / "add_agent.md"
SMALL = [
    *("alphabet=[rot90, hflip]", "child.hidden=[8]", "training.epochs=1", "selection.seeds=2", "selection.top=1"),
    *("data.train=60", "data.validation=60", "data.test=60", "budget.children=3"),
]


def aen(*words: str) -> subprocess.CompletedProcess[str]:
    code = "import sys; from aen_agents.cli.main import main; sys.exit(main())"
    paths = os.pathsep.join(filter(None, (str(PLUGINS), os.environ.get("PYTHONPATH", ""))))
    return subprocess.run(
        [sys.executable, "-c", code, *words],
        env=os.environ | {"PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_page_has_the_whole_file():
    assert f"```python\n{(PLUGINS / 'toy_plugins' / 'strategy.py').read_text()}```" in PAGE.read_text()


def test_it_is_compared_in_processes(tmp_path):
    tables = write_tables(tmp_path / "tables", "digits-01")
    out = tmp_path / "out"
    words = ["--tables", "digits-01", "--folder", str(tables), "--seeds", "4", "--children", "6", "--workers", "2"]
    done = aen("compare", "near_best", "near_best:random=1.0", "random", *words, "--out", str(out))
    assert done.returncode == 0, done.stderr
    with (out / "results.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 12
    assert {row["agent"] for row in rows} == {"near_best", "near_best:random=1.0", "random"}
    assert {row["children"] for row in rows} == {"6"}


@pytest.mark.slow
def test_it_searches(tmp_path):
    run = tmp_path / "run"
    done = aen("search", "digits", "agent=near_best", *SMALL, "--out", str(run))
    assert done.returncode == 0, done.stderr
    summary = json.loads((run / "summary.json").read_text())
    assert (summary["agent"], summary["classes_visited"]) == ("near_best", 3)
