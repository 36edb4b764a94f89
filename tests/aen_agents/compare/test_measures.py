"""Measures of a run, worked by hand."""

import numpy as np
import pytest
from helpers.small_tables import made_table, small_definition

from aen_agents.compare.measures import budget_of, measure

CLASSES = len(small_definition().classes)
# Regret of the classes: 0, 0.004, 0.02, and 0.1 of all others.
REGRET = np.array([0.0, 0.004, 0.02] + [0.1] * (CLASSES - 3))


@pytest.fixture(scope="module")
def table():
    return made_table((0.9 - REGRET)[:, None] + np.array([0.0, 0.01, -0.01]), seconds=2.0)


def test_children_until_near_the_best(table):
    assert table.regret == pytest.approx(REGRET)
    found = measure(table, [3, 2, 1, 4], [3, 2, 1, 1], [2.0] * 4, 6)
    assert (found.first_trained, found.first_recommended) == (3, 3)
    # Class 1 was recommended, given up for class 2, and recommended again.
    found = measure(table, [1, 2, 0], [1, 2, 0], [2.0] * 3, 6)
    assert (found.first_trained, found.first_recommended) == (1, 3)
    found = measure(table, [1, 3], [1, 3], [2.0] * 2, 6)
    assert (found.first_trained, found.first_recommended) == (1, None)
    found = measure(table, [4, 3], [4, 4], [2.0] * 2, 6)
    assert (found.first_trained, found.first_recommended) == (None, None)


def test_regret_stays_after_the_end(table):
    found = measure(table, [3, 2], [3, 2], [2.0, 2.0], 5)
    assert found.regret == pytest.approx([0.1, 0.02, 0.02, 0.02, 0.02])
    assert found.area_children == pytest.approx((0.1 + 4 * 0.02) / 5)
    assert found.normalised == pytest.approx(found.regret / REGRET.mean())
    assert (found.children, found.seconds) == (2, 4.0)


def test_the_area_over_seconds_begins_with_the_average_class(table):
    # 5 children at 2 s are 10 s: 3 s of the average class, 4 s of class 3, 3 s of class 2.
    found = measure(table, [3, 2], [3, 2], [3.0, 4.0], 5)
    assert found.area_seconds == pytest.approx((3 * REGRET.mean() + 4 * 0.1 + 3 * 0.02) / 10)
    # What comes after the 10 s does not count.
    found = measure(table, [3, 2], [3, 2], [3.0, 40.0], 5)
    assert found.area_seconds == pytest.approx((3 * REGRET.mean() + 7 * 0.1) / 10)


def test_a_run_without_children_is_a_class_at_random(table):
    found = measure(table, [], [], [], 3)
    assert found.regret == pytest.approx([REGRET.mean()] * 3)
    assert found.area_seconds == pytest.approx(REGRET.mean())
    assert (found.first_trained, found.first_recommended) == (None, None)


def test_the_budget_is_not_more_than_all_classes(table):
    assert (budget_of(table, 2), budget_of(table, 10**6)) == (2, CLASSES)
