"""Agents on tables by their explorers: what they train, in which order, is that of a search."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers.small_tables import SEEDS, made_table, random_table, small_definition

from aen.bench import TableEvaluator
from aen.errors import ConfigError
from aen_agents.agents.base import Task
from aen_agents.agents.registry import make_explorer
from aen_agents.compare.agents import read_agent
from aen_agents.compare.explorers import run_explorer
from aen_agents.compare.runs import run_agent
from aen_agents.compare.trace import run_strategy
from aen_agents.events import Visited
from aen_agents.runs.folder import RunFolder


def trained(trace):
    return [(t.place, t.seed, t.epoch, t.accuracy, t.seconds) for t in trace]


@pytest.mark.parametrize("name", ["random", "greedy", "successive_halving"])
@pytest.mark.parametrize("seed", [0, 1, 5])
def test_a_strategy_gives_the_same_both_ways(name, seed):
    table, agent = random_table(), read_agent(name)
    asked = run_strategy(agent.config.agent, table, None, children=7, seed=seed)
    searched = run_explorer(agent.config, table, None, children=7, seed=seed)
    assert len(asked) == 7
    for t in asked:
        entry = table.entry(t.place, seed=SEEDS[t.seed], epoch=t.epoch)
        assert (t.accuracy, t.seconds) == (entry.validation_accuracy, entry.seconds)
    if name == "successive_halving":
        assert {t.epoch for t in asked} == {1, 2}
        assert [t.recommended for t in searched] == [t.recommended for t in asked]
    assert trained(searched) == trained(asked)
    assert searched[-1].recommended == asked[-1].recommended
    assert asked[0].seed == seed % len(SEEDS)
    assert {t.seed for t in asked} == {seed % len(SEEDS)} or name == "greedy"


def test_dqn_trains_what_it_trains_in_a_search(tmp_path: Path):
    table, config = random_table(), read_agent("dqn").config
    trace = run_explorer(config, table, None, children=6, seed=0)
    assert trained(run_explorer(config, table, None, children=6, seed=0)) == trained(trace)

    visited = []
    (tmp_path / "agent").mkdir()
    definition = table.definition
    budget = config.budget.model_copy(update={"children": 6})
    task = Task(
        config=config.model_copy(update={"budget": budget}),
        child=definition.child,
        space=definition.space,
        hidden=None,
        evaluator=TableEvaluator(table),
        folder=RunFolder(tmp_path),
        listener=lambda event: visited.append(event) if isinstance(event, Visited) else None,
        notice=lambda _: None,
    )
    explorer = make_explorer(task)
    explorer.explore()
    first = [event for event in visited if event.first]
    assert [table.place_of_class[event.class_key] for event in first] == [t.place for t in trace]
    assert [event.accuracy for event in first] == pytest.approx([t.accuracy for t in trace])
    assert trace[-1].recommended == table.place_of_class[explorer.found()[0]]


@pytest.mark.parametrize(
    "name", ["dqn", "dqn_paper", "exhaustive", "racing:first_round=0.3", "ppo", "qrdqn", "maskable_ppo"]
)
def test_every_agent_runs_on_a_table(name):
    if name in {"qrdqn", "maskable_ppo"}:
        pytest.importorskip("sb3_contrib", reason="sb3-contrib is in requirements-dev.lock")
    table, agent = random_table(), read_agent(name)
    agent.check(table)
    trace = run_agent(agent, table, children=5, seed=1)
    assert len(trace) == 5
    assert len({(t.place, t.seed) for t in trace}) == 5  # a class counts once for each seed
    seed_of = lambda t: table.accuracy[t.place, t.seed]  # noqa: E731
    assert [t.accuracy for t in trace] == pytest.approx([seed_of(t) for t in trace])
    assert trace[0].seed == 1
    assert all(t.recommended in {u.place for u in trace[: at + 1]} for at, t in enumerate(trace))


@pytest.mark.parametrize("name", ["dqn", "exhaustive", "racing", "ppo"])
def test_agents_that_need_every_class_are_refused_on_a_part_of_them(name):
    definition = small_definition()
    part = replace(definition, class_keys=tuple(c.key for c in definition.classes[:4]))
    table = made_table(np.full((4, len(SEEDS)), 0.5), part)
    with pytest.raises(ConfigError, match=f"agent {name} cannot be run on table digits-01, which has only a part"):
        read_agent(name).check(table)
    strategy = read_agent("random")
    strategy.check(table)
    assert len(run_agent(strategy, table, children=9, seed=0)) == 4


def test_the_recommendation_is_the_best_so_far():
    accuracy = np.repeat(np.linspace(0.5, 0.9, len(small_definition().classes))[:, None], len(SEEDS), axis=1)
    trace = run_explorer(read_agent("exhaustive").config, made_table(accuracy), None, children=4, seed=0)
    assert [t.recommended for t in trace] == [max(u.place for u in trace[: at + 1]) for at in range(4)]


def test_a_diverged_child_is_told_as_such():
    accuracy = random_table().accuracy.copy()
    accuracy[0] = 0.0
    table = made_table(accuracy)
    trace = run_strategy(read_agent("random").config.agent, table, None, children=len(accuracy), seed=0)
    known = [t for t in trace if t.place == 0]
    assert len(known) == 1
    first = trace.index(known[0])
    assert all(t.recommended != 0 for t in trace[1:]) or first == 0
