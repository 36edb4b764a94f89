"""Aggregates of runs, against scipy, against sums over all pairs, and by simulation."""

import numpy as np
import pytest
from scipy import stats

from aen.statistics.aggregates import (
    holm,
    improvement_interval,
    interquartile_mean,
    probability_of_improvement,
    signed_rank_p,
    stratified_bootstrap,
)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 8, 11, 40])
def test_the_interquartile_mean_is_rliables(count):
    values = np.random.default_rng(count).normal(size=(count, 3))
    # rliable.metrics.aggregate_iqm
    assert interquartile_mean(values) == pytest.approx(stats.trim_mean(values, proportiontocut=0.25, axis=None))


def test_an_interquartile_mean_along_an_axis():
    values = np.random.default_rng(0).normal(size=(4, 9))
    assert interquartile_mean(values, axis=1) == pytest.approx([interquartile_mean(row) for row in values])


def test_an_interquartile_mean_ignores_the_outer_halves():
    assert interquartile_mean([-1e9, 1, 2, 1e9]) == 1.5
    with pytest.raises(ValueError, match="values is empty"):
        interquartile_mean([])


def _pairs(x, y):
    """The definition: over all pairs of runs of a task."""
    return np.mean([(a < b) + 0.5 * (a == b) for a in x for b in y])


def test_the_probability_of_improvement_counts_pairs():
    random = np.random.default_rng(0)
    ours = [random.integers(0, 5, size=7), random.integers(0, 5, size=4)]
    theirs = [random.integers(0, 6, size=6), random.integers(2, 5, size=9)]
    expected = np.mean([_pairs(x, y) for x, y in zip(ours, theirs, strict=True)])
    assert probability_of_improvement(ours, theirs) == pytest.approx(expected)
    # rliable.metrics.probability_of_improvement, where higher is better: of the values with the other sign.
    by_scipy = [stats.mannwhitneyu(-x, -y).statistic / len(x) / len(y) for x, y in zip(ours, theirs, strict=True)]
    assert probability_of_improvement(ours, theirs) == pytest.approx(np.mean(by_scipy))
    assert probability_of_improvement(theirs, ours) == pytest.approx(1 - expected)


def test_its_interval_is_that_of_drawn_runs():
    random = np.random.default_rng(1)
    ours, theirs = (
        [random.integers(0, 4, 12), random.integers(0, 4, 9)],  # many ties
        [random.integers(0, 5, 10), random.integers(0, 5, 8)],
    )
    low, high = improvement_interval(ours, theirs, repetitions=4000)
    drawn = [
        np.mean([_pairs(random.choice(x, len(x)), random.choice(y, len(y))) for x, y in zip(ours, theirs, strict=True)])
        for _ in range(1000)
    ]
    assert [low, high] == pytest.approx(np.percentile(drawn, [2.5, 97.5]), abs=0.03)
    assert low < probability_of_improvement(ours, theirs) < high


def test_a_bootstrap_draws_within_tasks():
    # All runs of a task are equal: every sample of runs within tasks is the same, one across tasks would not be.
    assert stratified_bootstrap([[0.0] * 5, [1.0] * 5], np.mean) == (0.5, 0.5)
    assert stratified_bootstrap([[1.0, 2.0, 4.0]], seed=3) == stratified_bootstrap([[1.0, 2.0, 4.0]], seed=3)


def test_a_bootstrap_of_infinite_values():
    low, high = stratified_bootstrap([[1.0] * 9 + [np.inf]], np.max)
    assert low == 1.0
    assert high == np.inf


def test_holms_correction():
    # Worked by hand: sorted 0.01, 0.02, 0.03, 0.04 times 4, 3, 2, 1, and never below the one before.
    assert holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])
    assert holm([]) == []


def test_the_signed_rank_test():
    values = np.arange(1.0, 9.0)
    # Of 8 pairs with the same sign: 2 of the 2^8 patterns of signs are as extreme.
    assert signed_rank_p(values, values - values / 10) == pytest.approx(2 / 2**8)
    assert signed_rank_p(values, values) == 1.0


@pytest.mark.slow
def test_intervals_cover_as_often_as_they_say():
    random = np.random.default_rng(0)
    locations = np.array([0.0, 1.0, 3.0])
    truth = interquartile_mean(random.normal(locations[:, None], 1.0, size=(3, 200_000)))
    covered, better = 0, 0
    for number in range(400):
        tasks = list(random.normal(locations[:, None], 1.0, size=(3, 30)))
        low, high = stratified_bootstrap(tasks, repetitions=400, seed=number)
        covered += low <= truth <= high
        rivals = list(random.normal(locations[:, None], 1.0, size=(3, 30)))
        low, high = improvement_interval(tasks, rivals, repetitions=400, seed=number)
        better += low <= 0.5 <= high
    # Of 400, 95 % are 380 with a standard deviation of 4.4; percentile intervals of 30 runs are a little too narrow.
    assert 360 <= covered <= 395
    assert 360 <= better <= 395
