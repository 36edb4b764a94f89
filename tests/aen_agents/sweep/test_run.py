"""Room for trials on a cluster."""

import io
from pathlib import Path

import pytest
from helpers.tiny_sweeps import SEEDS, make, plan
from rich.console import Console

from aen._typing import JsonDict
from aen_agents.evaluators.ray.resources import ClusterError, ClusterResources
from aen_agents.runs.folder import RunFolder
from aen_agents.runs.trial_files import Report
from aen_agents.sweep.run import run_sweep, say_trials, share


@pytest.mark.parametrize(
    ("settings", "nodes", "expected"),
    [
        ({}, [(2, 0)], (1, 2)),
        ({"concurrent": 1}, [(2, 0)], (1, 1)),
        ({}, [(2, 0), (4, 0)], (1, 4)),
        ({"concurrent": 4}, [(2, 0)], (0.5, 4)),
        ({"gpus_per_trial": 0.5, "overrides": ["evaluator.device=cuda"]}, [(16, 1)], (1, 2)),
    ],
    ids=str,
)
def test_room_for_trials(
    settings: JsonDict, nodes: list[tuple[float, float]], expected: tuple[float, int], tmp_path: Path
) -> None:
    sweep, trials = plan(tmp_path, SEEDS | {"grid": {"seed": [0, 1, 2, 3]}} | settings)
    assert share(sweep, trials, ClusterResources(tuple(nodes))) == expected


def test_no_room_is_said_at_once(tmp_path: Path) -> None:
    sweep, trials = plan(tmp_path, SEEDS | {"overrides": ["evaluator.device=cuda"], "gpus_per_trial": 1})
    with pytest.raises(
        ClusterError, match=r"a trial needs 1 core and 1 GPU \(evaluator.* the cluster has 2 cores and 0 GPUs"
    ):
        share(sweep, trials, ClusterResources(((2, 0),)))


def test_a_gpu_that_this_machine_lacks_is_said_before_ray_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    lacking = {"overrides": ["evaluator.device=cuda"], "gpus_per_trial": 1000}
    folder, _ = make(tmp_path, SEEDS | lacking, "new/sweep")
    stream = io.StringIO()
    with pytest.raises(ClusterError, match="a trial needs 1 core and 1,000 GPUs"):
        run_sweep(folder, Console(file=stream))
    assert stream.getvalue() == ""
    assert folder.discard()
    assert not (tmp_path / "new").exists()


def test_a_sweep_says_what_became_of_its_trials_before(tmp_path: Path) -> None:
    folder, trials = make(tmp_path, SEEDS | {"grid": {"seed": [0, 1, 2, 3]}})
    for trial in trials[:3]:
        RunFolder.create(trial.config, folder.files(trial).path)
    folder.files(trials[0]).fail("no luck")
    folder.files(trials[1]).stop(Report(3, 0.5))
    left = [trials[0], trials[2], trials[3]]
    stream = io.StringIO()
    say_trials(folder, trials, left, Console(file=stream))
    said = "4 trials, 1 of them ended before, 1 of them failed before, 1 of them interrupted before"
    assert stream.getvalue() == f"{folder.path}: {said}\n"
    folder.begin()
    assert not folder.discard()
    assert folder.load()[1] == trials
