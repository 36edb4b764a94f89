"""The table of a sweep over exhaustive searches."""

import csv
import json
from pathlib import Path

import pytest
from helpers.tiny_search import TINY
from helpers.tiny_sweeps import make, run_here, write
from scipy import stats

from aen_agents.sweep.cells import is_better
from aen_agents.sweep.config import find_search, load_sweep
from aen_agents.sweep.folder import SweepFolder
from aen_agents.sweep.plan import make_trials
from aen_agents.sweep.report import build_sweep_report
from aen_agents.sweep.summary import summarise

SEARCH = {name: value for name, value in TINY.items() if name not in {"environment", "budget"}} | {
    "agent": {"name": "exhaustive", "states": "singles", "seeds": 2},
    "evaluator": {"workers": 1},
}
SWEEP = {"name": "table", "search": "tiny.yaml", "grid": {"data.moves_seed": [0, 1], "seed": [0, 1]}}


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> SweepFolder:
    """A sweep with one search missing: of the 2nd combination only one seed is complete."""
    path = tmp_path_factory.mktemp("table")
    config = load_sweep(write(path, SWEEP, SEARCH))
    trials = make_trials(config, find_search(config, path))
    folder = SweepFolder.create(config, trials, path / "sweep")
    for trial in trials[:3]:
        run_here(folder, trial, [])
    return folder


def test_rows_are_combinations_and_columns_networks(table: SweepFolder) -> None:
    cells = summarise(table)["table"]
    assert cells["columns"] == ["none", "rot90", "hflip", "vflip", "swap_lr"]
    assert [row["label"] for row in cells["rows"]] == ["moves_seed=0", "moves_seed=1"]
    assert [len(row["cells"]["rot90"]["accuracies"]) for row in cells["rows"]] == [4, 2]
    assert "test" not in json.dumps(cells)


def test_a_cell_is_the_mean_over_all_seeds_and_is_compared_seed_by_seed(table: SweepFolder) -> None:
    _, trials = table.load()
    spaces = [result.space for result in (table.files(trial).result() for trial in trials[:2]) if result is not None]
    found = {name: [] for name in ("none", "hflip")}
    for space in spaces:
        assert space is not None
        for row in space.classes:
            if row.decomposition in found:
                found[row.decomposition] += row.validation.by_seed
    cell = summarise(table)["table"]["rows"][0]["cells"]["hflip"]
    assert cell["accuracies"] == found["hflip"]
    gains = [ours - theirs for ours, theirs in zip(found["hflip"], found["none"], strict=True)]
    expected = stats.t.interval(0.95, 3, loc=sum(gains) / 4, scale=stats.sem(gains))
    assert cell["minus_baseline"]["interval"] == pytest.approx(expected)
    assert summarise(table)["table"]["rows"][0]["cells"]["none"]["minus_baseline"] is None


def test_the_file_has_a_line_for_each_cell(table: SweepFolder) -> None:
    cells = summarise(table)["table"]
    with table.table_file.open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == 10
    assert lines[1]["network"] == "rot90"
    assert float(lines[1]["validation_mean"]) == cells["rows"][0]["cells"]["rot90"]["mean"]
    assert lines[1]["seeds"] == "4"
    assert lines[0]["minus_baseline_mean"] == ""


def test_the_report_draws_it(table: SweepFolder) -> None:
    build_sweep_report(table, summarise(table))
    page = table.report_file.read_text()
    assert "Networks by combination" in page
    assert "swap_lr" in page


@pytest.mark.parametrize(
    ("gain", "better"),
    [
        (None, False),
        ({"mean": 0.1, "interval": None}, False),
        ({"mean": 0.1, "interval": [-0.1, 0.3]}, False),
        ({"mean": 0.1, "interval": [0.01, 0.19]}, True),
    ],
)
def test_better_means_that_the_interval_is_above_zero(gain: dict[str, object] | None, better: bool) -> None:
    assert is_better({"minus_baseline": gain}) is better


def test_other_sweeps_have_no_table(tmp_path: Path) -> None:
    folder, _ = make(tmp_path, {"name": "seeds", "search": "tiny.yaml", "grid": {"seed": [0, 1]}})
    assert "table" not in summarise(folder)
    assert not folder.table_file.exists()
