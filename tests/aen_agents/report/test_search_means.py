"""The published curves of a search: rolling means, and means for each epsilon."""

import xml.etree.ElementTree as ET

import numpy as np
import pytest
from scipy import stats

from aen._typing import JsonDict
from aen_agents.report.search_means import WINDOW, can_draw, means_by_epsilon, rolling_means, search_means


def firsts(count: int) -> list[JsonDict]:
    source = np.random.default_rng(0)
    return [
        {"first": True, "accuracy": float(source.random()), "epsilon": round(1.0 - 0.3 * (place // 30), 1)}
        for place in range(count)
    ]


def test_rolling_means_are_of_whole_windows() -> None:
    values = [visit["accuracy"] for visit in firsts(70)]
    expected = np.convolve(values, np.ones(WINDOW) / WINDOW, mode="valid")
    assert rolling_means(values) == pytest.approx(expected)
    assert rolling_means(values[: WINDOW - 1]) == []
    assert rolling_means([1.0, 2.0, 4.0], window=2) == [1.5, 3.0]


def test_each_epsilon_has_its_mean_and_interval() -> None:
    visits = firsts(61)
    rows = means_by_epsilon(visits)
    assert [(epsilon, count) for epsilon, _, _, count in rows] == [(1.0, 30), (0.7, 30), (0.4, 1)]
    accuracies = [visit["accuracy"] for visit in visits[:30]]
    expected = stats.t.interval(0.95, 29, loc=np.mean(accuracies), scale=stats.sem(accuracies))
    assert rows[0][1] == pytest.approx(np.mean(accuracies))
    assert rows[0][2] == pytest.approx(expected)
    assert rows[2][2] == (rows[2][1], rows[2][1])


def test_they_are_drawn_of_enough_children_with_an_epsilon() -> None:
    assert can_draw(firsts(WINDOW + 1))
    assert not can_draw(firsts(WINDOW))
    assert not can_draw([*firsts(WINDOW), {"first": True, "accuracy": 0.5, "epsilon": None}])
    assert ET.fromstring(search_means(firsts(100))).tag.endswith("svg")  # noqa: S314 - made just now
