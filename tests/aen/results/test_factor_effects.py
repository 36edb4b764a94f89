"""The additive model of factors, against planted effects, plain least squares and simulation."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aen.results.factor_effects import analyse_factors

FACTORS = {"group": ("C1", "C4", "D4"), "rotation": ("no", "yes"), "size": ("x1", "x1.5")}
REFERENCE = {factor: levels[0] for factor, levels in FACTORS.items()}
EVERYTHING = [
    {"group": g, "rotation": r, "size": s}
    for g in FACTORS["group"]
    for r in FACTORS["rotation"]
    for s in FACTORS["size"]
]


def planted(children, effects, base=0.5):
    return [base + sum(effects.get((f, level), 0.0) for f, level in child.items()) for child in children]


@settings(max_examples=40)
@given(
    effects=st.fixed_dictionaries(
        {(f, level): st.floats(-0.3, 0.3) for f, levels in FACTORS.items() for level in levels[1:]}
    ),
    seed=st.integers(0, 2**32 - 1),
)
def test_planted_effects_come_out_exactly(effects, seed):
    # Visited anyhow: some children several times, others never, but every effect can be told.
    more = np.random.default_rng(seed).integers(len(EVERYTHING), size=9)
    children = EVERYTHING[:6] + EVERYTHING[-4:] + [EVERYTHING[i] for i in more]
    analysis = analyse_factors(children, planted(children, effects), REFERENCE, seed=0, resamples=10)
    assert {(e.factor, e.level) for e in analysis.effects} == set(effects)
    for effect in analysis.effects:
        assert effect.effect.mean == pytest.approx(effects[effect.factor, effect.level], abs=1e-9)
        assert effect.effect.low == pytest.approx(effect.effect.high, abs=1e-6)
        assert effect.children == sum(child[effect.factor] == effect.level for child in children)
        assert effect.entangled == ()
    assert analysis.degrees_of_freedom == len(children) - 5
    if analysis.shares:
        assert analysis.explained == pytest.approx(1, abs=1e-6)


def test_a_balanced_design_has_the_textbooks_shares():
    effects = {("group", "C4"): 0.1, ("group", "D4"): 0.3, ("rotation", "yes"): -0.2}
    values = np.array(planted(EVERYTHING, effects))
    analysis = analyse_factors(EVERYTHING, values, REFERENCE, seed=0, resamples=10)
    total = ((values - values.mean()) ** 2).sum()
    # In a balanced design a factor's sum of squares is that of its levels' means, in whatever order it is added.
    for share in analysis.shares:
        names = [child[share.factor] for child in EVERYTHING]
        means = [np.mean([v for v, name in zip(values, names, strict=True) if name == own]) for own in names]
        expected = ((np.array(means) - values.mean()) ** 2).sum() / total
        assert share.share.mean == pytest.approx(expected, abs=1e-6)
        assert share.left_out == pytest.approx(expected, abs=1e-6)


def by_hand(children, values):
    """Coefficients, standard errors and R^2 by the normal equations; R^2 of every smaller model too."""

    def design(factors):
        columns = [np.ones(len(children))]
        for factor in factors:
            columns += [[float(child[factor] == level) for child in children] for level in FACTORS[factor][1:]]
        return np.stack(columns, 1)

    def squared(factors):
        x = design(factors)
        rest = values - x @ np.linalg.lstsq(x, values, rcond=None)[0]
        return 1 - rest @ rest / ((values - values.mean()) ** 2).sum()

    x = design(FACTORS)
    inverse = np.linalg.inv(x.T @ x)
    coefficients = inverse @ x.T @ values
    rest = values - x @ coefficients
    free = len(values) - x.shape[1]
    errors = np.sqrt(np.diag(inverse) * (rest @ rest) / free)
    return coefficients[1:], errors[1:], squared


def test_a_tiny_example_agrees_with_the_normal_equations():
    children = [EVERYTHING[i] for i in (0, 1, 2, 4, 5, 7, 8, 10, 11, 0)]
    values = np.array([0.50, 0.58, 0.41, 0.66, 0.63, 0.49, 0.81, 0.60, 0.74, 0.53])
    coefficients, errors, squared = by_hand(children, values)
    analysis = analyse_factors(children, values, REFERENCE, seed=0, resamples=20)
    order = {(f, level): i for i, (f, level) in enumerate((f, v) for f, vs in FACTORS.items() for v in vs[1:])}
    t_of_five = 2.5705818356363141  # the 97.5 % quantile of Student's t with 5 degrees of freedom
    for effect in analysis.effects:
        place = order[effect.factor, effect.level]
        assert effect.effect.mean == pytest.approx(coefficients[place], abs=1e-12)
        assert effect.effect.high - effect.effect.mean == pytest.approx(t_of_five * errors[place], rel=1e-9)
    assert analysis.explained == pytest.approx(squared(list(FACTORS)), abs=1e-12)
    for share in analysis.shares:
        a, b = (factor for factor in FACTORS if factor != share.factor)
        own = share.factor
        expected = (
            2 * squared([own])
            + (squared([own, a]) - squared([a]))
            + (squared([own, b]) - squared([b]))
            + 2 * (squared([own, a, b]) - squared([a, b]))
        ) / 6
        assert share.share.mean == pytest.approx(expected, abs=1e-6)
        assert share.left_out == pytest.approx(squared([own, a, b]) - squared([a, b]), abs=1e-6)


@settings(max_examples=40)
@given(n=st.integers(2, 25), seed=st.integers(0, 2**32 - 1), noise=st.sampled_from([0.0, 0.05]))
def test_shares_are_parts_of_what_is_explained(n, seed, noise):
    source = np.random.default_rng(seed)
    children = [EVERYTHING[i] for i in source.integers(len(EVERYTHING), size=n)]
    values = source.uniform(size=n) * noise + planted(children, {("rotation", "yes"): 0.2})
    analysis = analyse_factors(children, values, REFERENCE, seed=1, resamples=25)
    assert -1e-9 <= analysis.explained <= 1 + 1e-9
    if analysis.shares:
        assert sum(share.share.mean for share in analysis.shares) == pytest.approx(analysis.explained, abs=1e-6)
    for share in analysis.shares:
        assert -1e-6 <= share.share.low <= share.share.high <= 1 + 1e-9
        assert 0 <= share.left_out <= 1 + 1e-9
    json.dumps(analysis.to_json(), allow_nan=False)


def test_the_intervals_cover_what_they_promise():
    effects = {("group", "C4"): 0.1, ("group", "D4"): 0.2, ("rotation", "yes"): -0.05}
    source = np.random.default_rng(7)
    children = [EVERYTHING[i] for i in source.integers(len(EVERYTHING), size=30)] + EVERYTHING
    covered = tries = 0
    for _ in range(400):
        values = planted(children, effects) + source.normal(scale=0.03, size=len(children))
        for effect in analyse_factors(children, values, REFERENCE, seed=0, resamples=1).effects:
            low, high = effect.effect.interval
            covered += low <= effects.get((effect.factor, effect.level), 0.0) <= high
            tries += 1
    assert covered / tries == pytest.approx(0.95, abs=0.02)


def test_what_always_goes_together_cannot_be_told_apart():
    children = [
        {"group": g, "rotation": r, "size": r.replace("no", "x1").replace("yes", "x1.5")}
        for g in ("C1", "C4")
        for r in ("no", "yes")
        for _ in range(3)
    ]
    values = planted(children, {("group", "C4"): 0.1, ("rotation", "yes"): 0.2})
    analysis = analyse_factors(children, values, REFERENCE, seed=0, resamples=5)
    found = {(e.factor, e.level): e for e in analysis.effects}
    assert found["group", "C4"].effect.mean == pytest.approx(0.1)
    assert found["rotation", "yes"].effect is None
    assert found["rotation", "yes"].entangled == ("size x1.5",)
    assert found["size", "x1.5"].entangled == ("rotation yes",)
    rotation, size = (s.share.mean for s in analysis.shares if s.factor != "group")
    assert rotation == pytest.approx(size, abs=1e-6)
    assert all(s.left_out == pytest.approx(0, abs=1e-6) for s in analysis.shares if s.factor != "group")


def test_what_all_children_have_cannot_be_told_from_all_else():
    children = [child | {"size": "x1.5"} for child in EVERYTHING]
    analysis = analyse_factors(children, [0.1 * i for i in range(12)], REFERENCE, seed=0, resamples=5)
    (size,) = [e for e in analysis.effects if e.factor == "size"]
    assert (size.effect, size.entangled) == (None, ("all else",))


def test_too_few_children_say_nothing():
    children = EVERYTHING[:1] + EVERYTHING[-3:]
    analysis = analyse_factors(children, [0.1, 0.2, 0.3, 0.5], REFERENCE, seed=0)
    assert analysis.degrees_of_freedom == 0 or analysis.shares
    alone = analyse_factors(EVERYTHING[:1], [0.4], REFERENCE, seed=0)
    assert (alone.effects, alone.shares, alone.degrees_of_freedom) == ((), (), 0)
    assert math.isnan(alone.residual)
    assert alone.to_json()["residual"] is None
    exact = analyse_factors([EVERYTHING[0], EVERYTHING[1]], [0.4, 0.5], REFERENCE, seed=0)
    (only,) = exact.effects
    assert only.effect.mean == pytest.approx(0.1)
    assert exact.to_json()["effects"][0]["interval"] == [None, None]
    assert exact.shares == ()


def test_equal_accuracies_have_no_shares():
    analysis = analyse_factors(EVERYTHING, [0.4] * 12, REFERENCE, seed=0)
    assert analysis.shares == ()
    assert all(e.effect.mean == pytest.approx(0, abs=1e-12) for e in analysis.effects)


def test_the_same_seed_gives_the_same_intervals():
    values = np.random.default_rng(0).uniform(size=12)
    ours, same, other = (analyse_factors(EVERYTHING, values, REFERENCE, seed=seed).to_json() for seed in (0, 0, 1))
    assert ours == same
    assert ours["effects"] == other["effects"]
    assert ours["shares"] != other["shares"]


@pytest.mark.parametrize("accuracies", [[], [0.1, 0.2]])
def test_wrong_numbers_are_refused(accuracies):
    with pytest.raises(ValueError, match="give an accuracy for each of one child or more"):
        analyse_factors([], accuracies, REFERENCE, seed=0)
