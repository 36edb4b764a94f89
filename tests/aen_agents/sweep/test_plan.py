"""The trials that a sweep comes to."""

import math
from pathlib import Path

from helpers.tiny_sweeps import SEEDS, plan
from scipy import stats

from aen._typing import JsonDict
from aen_agents.config import load_config

RANDOM: JsonDict = {
    "training.learning_rate": {"log_uniform": [1e-4, 1e-1]},
    "agent.batch_size": {"integers": [4, 6]},
    "agent.discount": {"uniform": [0.25, 0.75]},
    "child.hidden": {"choice": [[8], [4]]},
}


def test_a_grid_is_every_combination_and_reaches_the_search(tmp_path: Path) -> None:
    grid = {"seed": [0, 1, 2], "agent": ["dqn", "dqn_paper"], "child.hidden": [[8], [8, 4]]}
    _, trials = plan(tmp_path, SEEDS | {"grid": grid, "overrides": ["training.epochs=7"]})
    assert len(trials) == 12
    wanted = {(s, a, tuple(h)) for s in grid["seed"] for a in grid["agent"] for h in grid["child.hidden"]}  # type: ignore[attr-defined]
    assert {(t.values["seed"], t.values["agent"], tuple(t.values["child.hidden"])) for t in trials} == wanted
    for trial in trials:
        search = trial.config
        assert search.seed == trial.values["seed"]
        assert search.child.hidden == tuple(trial.values["child.hidden"])  # type: ignore[union-attr]
        assert (search.agent.layers == (400, 400, 400)) == (trial.values["agent"] == "dqn_paper")  # type: ignore[union-attr]
        assert search.training.epochs == 7
        assert search.evaluator.workers == 1
    assert trials[0].label == "seed=0, agent=dqn, hidden=[8]"
    assert trials[0].folder_name == "000-seed-0-agent-dqn-hidden-8"


def test_a_trial_is_the_search_that_its_overrides_describe(tmp_path: Path) -> None:
    _, (trial, *_) = plan(tmp_path, SEEDS | {"random": {"training.learning_rate": {"log_uniform": [1e-7, 1e-6]}}})
    overrides = [*trial.to_json()["overrides"], "evaluator.workers=1", "evaluator.device=cpu", "name=seeds-000"]
    assert load_config(tmp_path / "tiny.yaml", overrides) == trial.config


def test_draws_follow_their_distributions_and_their_seed(tmp_path: Path) -> None:
    sweep = {"name": "r", "search": "tiny.yaml", "random": RANDOM, "samples": 150}
    _, trials = plan(tmp_path, sweep)
    assert len(trials) == 150
    rates = [math.log10(trial.values["training.learning_rate"]) for trial in trials]
    assert stats.kstest(rates, "uniform", args=(-4, 3)).pvalue > 0.01
    discounts = [trial.values["agent.discount"] for trial in trials]
    assert stats.kstest(discounts, "uniform", args=(0.25, 0.5)).pvalue > 0.01
    assert {trial.values["agent.batch_size"] for trial in trials} == {4, 5, 6}
    assert {tuple(trial.values["child.hidden"]) for trial in trials} == {(8,), (4,)}
    few = sweep | {"samples": 5}
    assert [t.values for t in plan(tmp_path, few)[1]] == [t.values for t in trials[:5]], "draws depend on their number"
    assert [t.values for t in plan(tmp_path, few | {"sweep_seed": 1})[1]] != [t.values for t in trials[:5]]
    alone = plan(tmp_path, few | {"random": {"agent.discount": RANDOM["agent.discount"]}})[1]
    assert [t.values["agent.discount"] for t in alone] == discounts[:5], "draws of a key depend on others"


def test_every_draw_meets_the_whole_grid(tmp_path: Path) -> None:
    sweep = SEEDS | {"random": {"training.learning_rate": {"log_uniform": [1e-4, 1e-1]}}, "samples": 3}
    _, trials = plan(tmp_path, sweep)
    by_rate: dict[float, set[int]] = {}
    for trial in trials:
        by_rate.setdefault(trial.values["training.learning_rate"], set()).add(trial.values["seed"])
    assert list(by_rate.values()) == [{0, 1}] * 3


def test_what_is_drawn_twice_is_run_once(tmp_path: Path) -> None:
    sweep = {"name": "r", "search": "tiny.yaml", "random": {"child.hidden": {"choice": [[8], [4]]}}, "samples": 20}
    assert len(plan(tmp_path, sweep)[1]) == 2
