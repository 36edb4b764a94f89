"""What a sweep asks for."""

from pathlib import Path

import pytest
import yaml
from helpers.tiny_sweeps import SEEDS, write

from aen._typing import JsonDict
from aen_agents.cli.main import main
from aen_agents.sweep.config import find_search, load_sweep
from aen_agents.sweep.plan import make_trials

PRESETS = sorted(Path("configs/sweeps").glob("*.yaml"))


@pytest.mark.parametrize("path", PRESETS, ids=lambda p: p.stem)
def test_every_preset_is_valid(path: Path) -> None:
    sweep = load_sweep(path)
    trials = make_trials(sweep, find_search(sweep, path.parent))
    assert [trial.number for trial in trials] == list(range(len(trials)))
    assert len({trial.folder_name for trial in trials}) == len(trials) > 1


BAD: dict[str, tuple[JsonDict, str]] = {
    "unknown key": ({"overides": []}, "unknown key 'overides' (did you mean 'overrides'?)"),
    "unknown key of stop": ({"stop": {"rule": "asha", "gracee": 3}}, "unknown key 'gracee' (did you mean 'grace'?)"),
    "unknown rule": ({"stop": {"rule": "asher"}}, "rule is 'asher' (did you mean 'asha'?)"),
    "stop is no section": ({"stop": "asha"}, "stop is 'asha'; it is a section with the keys rule, metric, grace"),
    "unknown distribution": ({"random": {"seed": {"log_unifrm": [1, 2]}}}, "did you mean 'log_uniform'?"),
    "two distributions": ({"random": {"training.epochs": {"uniform": [1, 2], "choice": [1]}}}, "give exactly one"),
    "log of zero": ({"random": {"training.epochs": {"log_uniform": [0, 1]}}}, "its lower end must be above 0"),
    "backwards": ({"random": {"training.epochs": {"integers": [3, 1]}}}, "the smaller one first"),
    "a key that no search has": ({"grid": {"training.learning_rat": [1]}}, "did you mean 'learning_rate'?"),
    "a value that does not fit": ({"grid": {"training.epochs": [1, -1]}}, "trial 1 (epochs=-1)"),
    "an unknown agent": ({"grid": {"agent": ["dqm"]}}, "did you mean 'dqn'?"),
    "an empty list": ({"grid": {"seed": []}}, "grid.seed is empty"),
    "no list": ({"grid": {"seed": 3}}, "give a list in brackets, such as [3]"),
    "nothing to sweep": ({"grid": {}}, "there is nothing to sweep"),
    "a value twice": ({"grid": {"seed": [1, 1]}}, "grid.seed has 1 twice"),
    "a date": ({"grid": {"seed": [yaml.safe_load("2026-01-01")]}}, "seed is '2026-01-01': expected a whole number"),
    "the same search twice": ({"grid": {"training.epochs": [2, 2.0]}}, "are the same search"),
    "a key twice": ({"overrides": ["seed=1"]}, "seed is given twice"),
    "a section and its key": ({"grid": {"child": [{"hidden": [8]}], "child.head": ["free"]}}, "child and child.head"),
    "samples of nothing": ({"samples": 3}, "random is empty"),
    "the sweep's own store": ({"grid": {"store": ["a", "b"]}}, "grid.store is set by the sweep; use its key store"),
    "workers": ({"overrides": ["evaluator.workers=4"]}, "evaluator.workers is 4; a trial has one"),
    "ray": ({"overrides": ["evaluator=ray"]}, "evaluator.kind is ray; each trial"),
    "no GPU": ({"overrides": ["evaluator.device=cuda"]}, "gpus_per_trial is 0"),
    "a store in the search": ({"overrides": ["store=x.sqlite"]}, "store is given"),
    "no such search": ({"search": "tin.yaml"}, "(did you mean 'tiny.yaml'?)"),
    "asha without a budget": (
        {"overrides": ["agent=exhaustive"], "stop": {"rule": "asha", "grace": 2}},
        "which counts the children of a budget, but agent exhaustive of trial 0 (seed=0) has none",
    ),
    "asha that never stops": ({"stop": {"rule": "asha", "grace": 6}}, "stop.grace is 6, but no trial visits more"),
    "a name of its own": ({"overrides": ["name=x"]}, "name among overrides is set by the sweep; use its key name"),
    "a cluster of its own": (
        {"overrides": ["cluster.address=10.0.0.1:1"]},
        "cluster.address among overrides is set by the sweep; use its key cluster",
    ),
    "too many": ({"grid": {"seed": list(range(200)), "training.epochs": list(range(1, 90))}}, "17,800 trials"),
}


@pytest.mark.parametrize(("change", "message"), BAD.values(), ids=BAD)
def test_bad_sweeps_are_refused_before_anything_starts(
    change: JsonDict, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, SEEDS | change)
    out = tmp_path / "out"
    assert main(["sweep", str(path), "--out", str(out)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("aen: error: ")
    assert message in error
    assert not out.exists()
