"""What holds for every search strategy, in spaces of every kind."""

import random
from collections.abc import Callable

import pytest
from helpers.strategy_runs import (
    dense_space,
    gcnn_space,
    images_test,
    layerwise_space,
    run,
    strategy_of,
    view_of,
)

from aen.errors import ConfigError
from aen.spaces import Space
from aen_agents.agents.plausible import most_plausible_first
from aen_agents.agents.strategies.base import Candidate
from aen_agents.agents.strategies.zero_cost_scores import kernel_score
from aen_agents.config.strategies import (
    STRATEGIES,
    EvolutionConfig,
    RandomConfig,
    StrategyConfig,
    SymmetryTestConfig,
    ZeroCostConfig,
)

SPACES: dict[str, Callable[[], Space]] = {"dense": dense_space, "gcnn": gcnn_space, "layerwise": layerwise_space}
every_strategy = pytest.mark.parametrize("section", STRATEGIES, ids=lambda s: s.model_fields["name"].default)
every_space = pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AEN_CACHE", str(tmp_path_factory.getbasetemp() / "scores"))


def noisy(candidate: Candidate) -> float | None:
    """Make an accuracy up; every fifth class diverges."""
    source = random.Random(f"{candidate.class_key}")  # noqa: S311 - for no secret
    if source.random() < 0.2:
        return None
    level = source.uniform(0.6, 0.9)
    return level + random.Random(f"{candidate}").gauss(0, 0.01)  # noqa: S311


@every_strategy
@every_space
def test_nothing_is_asked_twice_and_all_is_repeated(section: type[StrategyConfig], space: Callable[[], Space]) -> None:
    settings, view = section(), view_of(made := space(), seeds=2, children=25, symmetry=images_test(made, hflip=9.0))
    asked, found = run(settings, view, noisy)
    assert 1 < len(asked) <= 25
    assert len(set(asked)) == len(asked)
    assert all(candidate.class_key in view.classes and candidate.seed < 2 for candidate in asked)
    assert set(found) <= {candidate.class_key for candidate in asked if noisy(candidate) is not None}
    again = view_of(space(), seeds=2, children=25, symmetry=images_test(made, hflip=9.0))
    assert run(settings, again, noisy) == (asked, found)


@every_strategy
def test_one_child_is_enough(section: type[StrategyConfig]) -> None:
    space = dense_space()
    asked, found = run(section(), view_of(space, children=1, symmetry=images_test(space)), lambda _: 0.7)
    assert [candidate.class_key for candidate in asked] == found[:1]


@every_strategy
def test_every_child_may_diverge(section: type[StrategyConfig]) -> None:
    space = dense_space()
    view = view_of(space, children=30, seeds=2, symmetry=images_test(space))
    asked, found = run(section(), view, lambda _: None)
    assert asked
    assert found == []


@every_strategy
def test_a_search_without_the_test_of_the_images(section: type[StrategyConfig]) -> None:
    view = view_of(dense_space(), children=8, seeds=2)
    if section is SymmetryTestConfig:
        with pytest.raises(ConfigError, match="set symmetry_test=true"):
            strategy_of(section(), view)
    else:
        assert 1 < len(run(section(), view, noisy)[0]) <= 8


@every_strategy
def test_only_the_classes_that_may_be_chosen(section: type[StrategyConfig]) -> None:
    space = dense_space()
    some = frozenset(c.key for c in space.classes[::2])
    view = view_of(space, seeds=2, children=40, symmetry=images_test(space))
    asked, _ = run(section(), type(view)(**{**vars(view), "class_keys": some}), noisy)
    assert {candidate.class_key for candidate in asked} <= some


@pytest.mark.parametrize("section", [RandomConfig, EvolutionConfig])
def test_the_seed_changes_the_order(section: type[StrategyConfig]) -> None:
    runs = [run(section(), view_of(dense_space(), seed=seed), noisy)[0] for seed in range(3)]
    assert len({tuple(asked) for asked in runs}) == 3


def test_zero_cost_trains_the_highest_score_first() -> None:
    space = dense_space()
    view = view_of(space, children=100, symmetry=images_test(space))
    asked, _ = run(ZeroCostConfig(), view, lambda _: 0.7)
    classes = {c.key: c for c in space.classes}
    scores = [kernel_score(space.spec(classes[candidate.class_key])) for candidate in asked]
    assert len(set(scores)) > 3
    assert scores == sorted(scores, reverse=True)
    few, _ = run(ZeroCostConfig(classes=3), view, lambda _: 0.7)
    first = [kernel_score(space.spec(classes[candidate.class_key])) for candidate in few[:3]]
    plausible = [c.key for c in most_plausible_first(space, view.symmetry)]
    assert first == sorted(first, reverse=True)
    assert {candidate.class_key for candidate in few[:3]} == set(plausible[:3])
    assert [candidate.class_key for candidate in few[3:]] == plausible[3:]


def test_scores_of_untrained_networks_are_kept(tmp_path_factory: pytest.TempPathFactory) -> None:
    space = dense_space()
    asked, _ = run(ZeroCostConfig(), view_of(space), lambda _: 0.7)
    assert {candidate.class_key for candidate in asked} == {c.key for c in space.classes}
    assert list((tmp_path_factory.getbasetemp() / "scores" / "zero-cost").glob("*.json"))
    few, _ = run(ZeroCostConfig(classes=2), view_of(space), lambda _: 0.7)
    assert {candidate.class_key for candidate in few[:2]} == {c.key for c in space.classes[:2]}
