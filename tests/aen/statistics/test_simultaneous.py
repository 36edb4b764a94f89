"""Simultaneous comparisons: factors against published quantiles, coverage against simulation."""

import math
from itertools import combinations

import numpy as np
import pytest
from scipy.stats import t

from aen.statistics import Family
from aen.statistics.simultaneous import bootstrap_quantile, range_quantile


def drawn(source, *, networks=5, seeds=3, images=200, better=0.0, seed_effect=0.1):
    """Which images networks of one true accuracy are right on; the first may be better."""
    means = np.full(networks, 1.0)
    means[0] += better
    values = (
        means[:, None, None]
        + source.normal(size=(1, 1, images))
        + source.normal(0, seed_effect, (networks, seeds, 1))
        + source.normal(0, 0.3, (networks, 1, images))
        + source.normal(0, 0.5, (networks, seeds, images))
    )
    return values > 0


def family_of(correct, **more):
    return Family(correct.mean(axis=2), correct, **more)


def test_range_of_many_is_tukeys_table():
    # Tables of the studentised range: q(0.95; 3, 10) = 3.877, q(0.95; 5, 20) = 4.232.
    assert range_quantile(3, 10) * math.sqrt(2) == pytest.approx(3.877, abs=2e-3)
    assert range_quantile(5, 20) * math.sqrt(2) == pytest.approx(4.232, abs=2e-3)


def test_two_networks_without_images_have_students_interval():
    accuracies = np.array([[0.9, 0.92, 0.88, 0.95], [0.85, 0.86, 0.87, 0.84]])
    found = Family(accuracies).difference(0, 1)
    own = accuracies[0] - accuracies[1]
    half = t.ppf(0.975, 3) * own.std(ddof=1) / 2
    assert found.estimate.mean == pytest.approx(own.mean())
    assert found.estimate.high - found.estimate.mean == pytest.approx(half, rel=1e-3)
    assert found.share_of_images == 0


def test_bootstrap_of_independent_columns_gives_the_range():
    values = np.random.default_rng(0).normal(size=(1000, 5))
    assert bootstrap_quantile(values) == pytest.approx(range_quantile(5, math.inf), rel=0.06)


def test_images_widen_the_intervals():
    correct = drawn(np.random.default_rng(0))
    without = Family(correct.mean(axis=2)).difference(0, 1).estimate
    with_images = family_of(correct).difference(0, 1)
    assert with_images.estimate.high - with_images.estimate.low > without.high - without.low
    assert 0 < with_images.share_of_images < 1


def test_networks_right_on_the_same_images_keep_an_interval():
    correct = np.repeat(np.random.default_rng(0).random((1, 1, 100)) > 0.2, 2, axis=0).repeat(3, axis=1)
    low, high = family_of(correct).difference(0, 1).estimate.interval
    assert low < -0.005 < 0.005 < high


def test_a_pair_that_varies_more_has_its_own_error():
    accuracies = np.array([[0.9, 0.9, 0.9, 0.91], [0.9, 0.91, 0.9, 0.9], [0.9, 0.9, 0.91, 0.9], [0.9, 0.0, 0.9, 0.9]])
    found = Family(accuracies)
    quiet, loud = found.difference(0, 1).estimate, found.difference(0, 3).estimate
    assert loud.high - loud.low > 1.05 * (quiet.high - quiet.low)


def test_best_of_clearly_different_networks_stands_alone():
    correct = drawn(np.random.default_rng(0), images=2000, better=1.0, seed_effect=0.01)
    assert family_of(correct).not_told_from_best() == [0]


def test_equal_networks_are_not_told_apart():
    assert sorted(family_of(drawn(np.random.default_rng(1))).not_told_from_best()) == [0, 1, 2, 3, 4]


def test_other_images_keep_the_choice_among_all():
    chosen = family_of(drawn(np.random.default_rng(0), networks=6))
    correct = drawn(np.random.default_rng(1), networks=2)
    later = family_of(correct, chosen_in=chosen)
    assert later.factors.seeds == chosen.factors.seeds
    assert later.factors.seeds > range_quantile(2, 10)


def test_one_seed_is_refused():
    with pytest.raises(ValueError, match="1 seeds; a comparison needs 2 or more"):
        Family(np.array([[0.5], [0.6]]))


def test_same_figures_give_the_same_intervals():
    correct = drawn(np.random.default_rng(3))
    assert family_of(correct).difference(0, 1) == family_of(correct.copy()).difference(0, 1)


def missed(runs, **settings):
    """In how many runs any of the differences of equal networks was called one, and the best was not in the set."""
    source, called, lost = np.random.default_rng(0), 0, 0
    for _ in range(runs):
        found = family_of(drawn(source, **settings))
        pairs = combinations(range(found.networks), 2)
        called += any(not found.difference(*p).estimate.low <= 0 <= found.difference(*p).estimate.high for p in pairs)
        lost += 0 not in found.not_told_from_best()
    return called / runs, lost / runs


def test_false_differences_are_rare():
    called, lost = missed(60)
    assert called <= 0.15
    assert lost <= 0.1


@pytest.mark.parametrize("seeds", [2, 3, 4, 5, 8])
def test_networks_of_equal_variance_are_pooled(seeds):
    source = np.random.default_rng(0)
    left_out = sum(len(Family(source.normal(size=(5, seeds))).steady) < 5 for _ in range(1000))
    assert left_out <= 6


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_a_network_that_diverged_once_is_not_pooled(seeds):
    accuracies = np.random.default_rng(0).normal(0.9, 0.005, size=(5, seeds))
    accuracies[2, 0] = 0.1
    assert len(Family(accuracies).steady) == 4


@pytest.mark.slow
@pytest.mark.parametrize("seed_effect", [0.0, 0.1, 0.3])
@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_coverage(seeds, seed_effect):
    called, lost = missed(400, seeds=seeds, seed_effect=seed_effect)
    assert called <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 400)
    assert lost <= 0.05
