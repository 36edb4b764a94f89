"""The shares of the groups that mixed networks learnt, by combination."""

from pathlib import Path

import pytest
from helpers.tiny_sweeps import make, run_here, write

from aen._typing import JsonDict
from aen_agents.sweep.config import find_search, load_sweep
from aen_agents.sweep.folder import SweepFolder
from aen_agents.sweep.plan import make_trials
from aen_agents.sweep.report import build_sweep_report
from aen_agents.sweep.summary import summarise

SEARCH: JsonDict = {
    "name": "mixed",
    "data": {"train": 40, "validation": 20, "test": 20},
    "child": {"kind": "equinas", "width": 1, "kernel_size": 3, "dense": 4},
    "training": {"epochs": 1, "batch_size": 20},
    "agent": {
        "name": "equinas_d",
        "seeds": 2,
        "baselines": [],
        "networks": [],
        "alpha_learning_rate": 0.5,
        "subgroups": ["D4", "C2", "C1"],
    },
    "evaluator": {"workers": 1},
}


@pytest.fixture(scope="module")
def learnt(tmp_path_factory: pytest.TempPathFactory) -> SweepFolder:
    path = tmp_path_factory.mktemp("shares")
    sweep = {"name": "shares", "search": "tiny.yaml", "grid": {"child.augment": ["C1", "D4"]}}
    config = load_sweep(write(path, sweep, SEARCH))
    trials = make_trials(config, find_search(config, path))
    folder = SweepFolder.create(config, trials, path / "sweep")
    for trial in trials:
        run_here(folder, trial, [])
    return folder


def test_shares_are_those_of_the_final_networks(learnt: SweepFolder) -> None:
    found = summarise(learnt)["shares"]
    assert found["groups"] == ["D4", "C2", "C1"]
    assert [row["label"] for row in found["rows"]] == ["augment=C1", "augment=D4"]
    _, trials = learnt.load()
    for row, trial in zip(found["rows"], trials, strict=True):
        mixed = [line for line in learnt.files(trial).run.history() if line["method"] == "equinas_d"]
        assert len(mixed) == row["seeds"] == 2
        layers = [layer for line in mixed for layer in line["record"]["shares"]]
        expected = [sum(layer[place] for layer in layers) / len(layers) for place in range(3)]
        assert row["means"] == pytest.approx(expected)
        assert sum(row["means"]) == pytest.approx(1)
        assert all(low <= mean <= high for mean, (low, high) in zip(row["means"], row["intervals"], strict=True))
        first = [line["record"]["shares"][0] for line in mixed]
        assert row["layers"][0] == pytest.approx([(a + b) / 2 for a, b in zip(*first, strict=True)])


def test_augmented_images_train_another_network(learnt: SweepFolder) -> None:
    rows = summarise(learnt)["shares"]["rows"]
    assert rows[0]["means"] != rows[1]["means"]


def test_the_report_shows_them(learnt: SweepFolder) -> None:
    build_sweep_report(learnt, summarise(learnt))
    assert "Shares of the groups" in learnt.report_file.read_text()


def test_other_sweeps_have_none(tmp_path: Path) -> None:
    folder, _ = make(tmp_path, {"name": "seeds", "search": "tiny.yaml", "grid": {"seed": [0, 1]}})
    assert "shares" not in summarise(folder)
