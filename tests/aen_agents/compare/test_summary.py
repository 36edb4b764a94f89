"""The summary of a comparison, against the runs that it is made of."""

import numpy as np
import pytest
from helpers.small_tables import SEEDS, made_table, small_definition
from scipy import stats

from aen_agents.compare.agents import read_agents
from aen_agents.compare.measures import arrays_of
from aen_agents.compare.plan import Plan
from aen_agents.compare.runs import run_agent
from aen_agents.compare.summary import best_by_budget, summarise

CLASSES = len(small_definition().classes)


@pytest.fixture(scope="module")
def compared():
    names = [f"digits-{number:02}" for number in range(1, 4)]
    random = np.random.default_rng(0)
    # The seeds differ, so that a class is often trained before it is recommended.
    accuracy = [0.6 + 0.2 * random.random((CLASSES, 1)) + 0.2 * random.random((CLASSES, len(SEEDS))) for _ in names]
    tables = tuple(made_table(a, small_definition(name)) for a, name in zip(accuracy, names, strict=True))
    plan = Plan(tuple(read_agents(["random", "exhaustive"])), tables, None, 6, 9)
    agents, by_name = {agent.label: agent for agent in plan.agents}, {table.name: table for table in tables}
    runs = {}
    for key, (label, name, seed) in plan.keys().items():
        places, recommended, seconds = arrays_of(run_agent(agents[label], by_name[name], children=9, seed=seed))
        runs[key] = {
            "places": places,
            "recommended": recommended,
            "seconds": seconds,
            "children": 9,
            "real_seconds": 0.1,
        }
    rows, summary = summarise(plan, runs, command="aen compare", seconds=1.0)
    return rows, summary


def values_of(rows, agent, column):
    return [float(row[column] or np.inf) for row in rows if row["agent"] == agent]


def test_the_aggregates_are_those_of_the_rows(compared):
    rows, summary = compared
    assert summary["complete"]
    assert any(row["first_trained"] != row["first_recommended"] for row in rows)
    for agent in summary["agents"]:
        name = agent["agent"]
        until = sorted(values_of(rows, name, "first_trained"))
        middle = until[(len(until) - 1) // 2]
        assert agent["first_trained"]["median"] == (None if middle == np.inf else middle)
        assert agent["first_trained"]["reached"] == pytest.approx(np.mean(np.isfinite(until)))
        assert agent["within_first_3"] == pytest.approx(np.mean(np.array(until) <= 3))
        for column, key in (("regret_3", "3"), ("regret_all", "all")):
            expected = stats.trim_mean(values_of(rows, name, column), 0.25)
            assert agent["regret"][key][0] == pytest.approx(expected, abs=1e-6)
            assert agent["regret"][key][1] <= expected + 1e-6 <= agent["regret"][key][2] + 2e-6
        for column, key in (("area_children", "area_children"), ("area_seconds", "area_seconds")):
            assert agent[key][0] == pytest.approx(stats.trim_mean(values_of(rows, name, column), 0.25), abs=1e-6)
        assert agent["children"] == pytest.approx(np.mean(values_of(rows, name, "children")))
        for table, by_agent in summary["by_table"].items():
            mine = sorted(
                float(r["first_trained"] or np.inf) for r in rows if (r["agent"], r["table"]) == (name, table)
            )
            middle = mine[(len(mine) - 1) // 2]
            assert by_agent[name]["first_trained"] == (None if middle == np.inf else middle)
        curve = summary["curves"]["digits"][name]["middle"]
        assert curve[summary["points"].index(3)] == pytest.approx(agent["regret"]["3"][0])
        assert len(curve) == len(summary["points"])


def test_agents_are_ranked_by_their_normalised_area(compared):
    rows, summary = compared
    areas = [stats.trim_mean(values_of(rows, agent["agent"], "normalised_area"), 0.25) for agent in summary["agents"]]
    assert areas == sorted(areas)


def test_a_pair_counts_every_run_of_one_against_every_run_of_the_other(compared):
    rows, summary = compared
    (pair,) = summary["pairs"]
    tables = {row["table"] for row in rows}
    wins = []
    for table in sorted(tables):
        ours, theirs = (
            [float(row["normalised_area"]) for row in rows if (row["agent"], row["table"]) == (who, table)]
            for who in (pair["ours"], pair["theirs"])
        )
        wins.append(np.mean([(a < b) + 0.5 * (a == b) for a in ours for b in theirs]))
    assert pair["probability"] == pytest.approx(np.mean(wins), abs=0.02)
    assert pair["p_holm"] == pair["p"]


def test_the_best_agent_for_each_budget():
    curves = {"a": {"middle": [3, 3, 1, 1]}, "b": {"middle": [2, 2, 2, 1]}, "c": {"middle": []}}
    assert best_by_budget([1, 2, 5, 9], curves) == [(1, 4, "b"), (5, 9, "a")]
