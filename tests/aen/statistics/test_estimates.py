import math

import numpy as np
import pytest
from scipy import stats

from aen.statistics import estimate, paired_difference


@pytest.mark.parametrize("n", [2, 3, 5, 30])
def test_interval_is_that_of_scipy(n):
    values = np.random.default_rng(n).normal(0.9, 0.02, size=n)
    found = estimate(values.tolist())
    low, high = stats.t.interval(0.95, n - 1, loc=values.mean(), scale=stats.sem(values))
    assert found.mean == pytest.approx(values.mean(), rel=1e-12)
    assert found.interval == pytest.approx((low, high), rel=1e-9)
    assert (found.low, found.high) == found.interval


@pytest.mark.parametrize("n", [2, 4, 10])
def test_paired_difference_is_that_of_scipy(n):
    rng = np.random.default_rng(n)
    ours = rng.normal(0.9, 0.05, size=n)
    theirs = ours - rng.normal(0.02, 0.01, size=n)
    expected = stats.ttest_rel(ours, theirs).confidence_interval(0.95)
    found = paired_difference(ours.tolist(), theirs.tolist())
    assert found.mean == pytest.approx(float(np.mean(ours - theirs)), rel=1e-9)
    assert found.interval == pytest.approx((expected.low, expected.high), rel=1e-9)
    # The pairs matter: what both share cancels.
    assert found.high - found.low < estimate(ours.tolist()).high - estimate(ours.tolist()).low


def test_one_value_says_nothing_about_the_spread():
    found = estimate([0.5])
    assert (found.mean, found.low, found.high) == (0.5, -math.inf, math.inf)


def test_equal_values_have_an_interval_without_length():
    assert estimate([0.25, 0.25, 0.25]).interval == (0.25, 0.25)


def test_no_values_are_refused():
    with pytest.raises(ValueError, match="values is empty"):
        estimate([])
    with pytest.raises(ValueError, match="values is empty"):
        paired_difference([], [])


def test_pairs_of_different_length_are_refused():
    with pytest.raises(ValueError, match=r"shorter|longer"):
        paired_difference([1.0, 2.0], [1.0])
