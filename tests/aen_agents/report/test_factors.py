"""The report's table of effects and picture of shares, from figures as a summary has them."""

import math
from collections.abc import Sequence
from pathlib import Path

import pytest

from aen.children import GCNNSpec
from aen.results.factor_effects import FactorAnalysis, FactorEffect, FactorShare
from aen.spaces import GCNNSpace
from aen.statistics import Estimate
from aen_agents.agents.dqn.visits import Visits
from aen_agents.agents.factor_effects import factors_of
from aen_agents.config import BudgetConfig
from aen_agents.report.factors import EffectRow, effect_rows, share_picture

REFERENCE = {"group": "C1", "augment rotation": "no", "size": "x1"}


def effect(factor: str, level: str, *, high: float = 0.05) -> FactorEffect:
    return FactorEffect(factor, level, 3, Estimate(0.02, 0.04 - high, high))


def share(factor: str, value: float) -> FactorShare:
    return FactorShare(factor, Estimate(value, value / 2, value * 2), value / 4)


def analysis(effects: Sequence[FactorEffect] = (), shares: Sequence[FactorShare] = ()) -> FactorAnalysis:
    return FactorAnalysis(
        children=9,
        reference=REFERENCE,
        effects=tuple(effects),
        shares=tuple(shares),
        explained=0.5,
        residual=0.1,
        degrees_of_freedom=5,
    )


def test_rows_say_what_is_compared_the_factor_that_explains_most_first() -> None:
    effects = [effect("group", "D4"), effect("augment rotation", "yes"), effect("size", "x1.5", high=math.inf)]
    shares = [share("group", 0.1), share("augment rotation", 0.3), share("size", 0.2)]
    assert effect_rows(analysis(effects, shares)) == [
        EffectRow("augment rotation", 3, "+2.0", "-1.0 to +5.0"),
        EffectRow("size x1.5 instead of x1", 3, "+2.0", ""),
        EffectRow("group D4 instead of C1", 3, "+2.0", "-1.0 to +5.0"),
    ]


def test_effects_that_cannot_be_told_apart_are_named() -> None:
    def row(others: list[str]) -> str:
        return effect_rows(analysis([FactorEffect("size", "x1.5", 3, None, tuple(others))]))[0].effect

    assert row(["group D4"]) == "cannot be told apart from group D4"
    assert row(list("abcdef")) == "cannot be told apart from a, b, c, d and 2 more"


def test_the_picture_has_every_factor_and_equal_figures_give_equal_bytes() -> None:
    shares = [share("group", 0.1), share("augment rotation", 0.3)]
    picture = share_picture(analysis(shares=shares))
    assert picture.startswith("<svg")
    assert picture == share_picture(analysis(shares=shares))
    assert picture != share_picture(analysis(shares=[share("group", 0.2), shares[1]]))


def test_factors_of_a_space_come_from_its_classes() -> None:
    space = GCNNSpace(GCNNSpec())
    chosen = {c.key: 0.6 if space.spec(c).group == "D4" else 0.5 for c in space.classes[::5]}
    found = factors_of(space, chosen, seed=0)
    assert found is not None
    effects = {(e.factor, e.level): e.effect.mean for e in found.effects if e.effect is not None}
    assert effects.pop(("group", "D4")) == pytest.approx(0.1)
    assert all(value == pytest.approx(0, abs=1e-9) for value in effects.values())
    assert found.shares[0].share.mean > 0.9
    assert factors_of(space, dict(list(chosen.items())[:2]), seed=0) is None


def test_a_child_that_diverged_is_remembered(tmp_path: Path) -> None:
    visits = Visits(
        budget=BudgetConfig(),
        counted="classes",
        classes=9,
        states=9,
        listener=lambda _: None,
        history=tmp_path / "history.jsonl",
    )
    for number, status in enumerate(["ok", "diverged"]):
        info = {"state": number, "class_key": str(number), "accuracy": 0.0, "parameters": 1, "status": status}
        visits.saw(info | {"factors": "", "group": "C1"}, reward=0.0, epsilon=1.0)
    assert visits.diverged == {"1"}
