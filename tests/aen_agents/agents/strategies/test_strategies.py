"""What is particular to each search strategy."""

from statistics import fmean

import numpy as np
import pytest
from helpers.strategy_runs import dense_space, gcnn_space, images_test, layerwise_space, run, strategy_of, view_of

from aen.errors import ConfigError
from aen.spaces import Space
from aen_agents.agents.strategies.base import Candidate, Outcome
from aen_agents.agents.strategies.class_model import ClassModel
from aen_agents.agents.strategies.features import SpaceFeatures
from aen_agents.config.strategies import (
    EvolutionConfig,
    GreedyConfig,
    LocalSearchConfig,
    RandomConfig,
    SuccessiveHalvingConfig,
    SurrogateConfig,
    SymmetryTestConfig,
)


def names_of(space: Space, asked: list[Candidate]) -> list[str]:
    by_key = {c.key: c for c in space.classes}
    return [space.spec(by_key[candidate.class_key]).name for candidate in asked]


def key_of(space: Space, name: str) -> str:
    return next(c.key for c in space.classes if space.spec(c).name == name)


def test_random_search_trains_every_class_once() -> None:
    space = dense_space()
    asked, _ = run(RandomConfig(), view_of(space), lambda _: 0.5)
    assert sorted(candidate.class_key for candidate in asked) == sorted(c.key for c in space.classes)
    assert [candidate.class_key for candidate in asked] != [c.key for c in space.classes]


def test_local_search_moves_to_the_best_neighbour_and_starts_again_when_stuck() -> None:
    space = dense_space()
    features = SpaceFeatures(space)
    best = {key_of(space, "hflip"): 0.8, key_of(space, "hflip + swap_lr"): 0.9}
    asked, found = run(LocalSearchConfig(), view_of(space), lambda c: best.get(c.class_key, 0.5))
    places = [features.place_of[candidate.class_key] for candidate in asked]
    start = features.baseline
    first = len(features.neighbours(start))
    assert places[0] == start
    assert set(places[1 : first + 1]) == set(features.neighbours(start))
    second = features.place_of[key_of(space, "hflip")]
    new = set(features.neighbours(second)) - set(places[: first + 1])
    assert set(places[first + 1 : first + 1 + len(new)]) == new
    assert found[0] == key_of(space, "hflip + swap_lr")
    assert len(asked) == len(space.classes)  # from random starts, until all are known


def test_the_oldest_of_the_population_is_removed() -> None:
    space = dense_space()
    strategy = strategy_of(EvolutionConfig(population=3, sample=3), view_of(space))
    features = SpaceFeatures(space)
    first = list(strategy.ask())
    assert len(first) == 3
    for candidate, accuracy in zip(first, (0.9, 0.1, 0.2), strict=True):
        strategy.tell(candidate, Outcome(accuracy, 0.0, 1, 1.0))
    (child,) = strategy.ask()
    assert features.place_of[child.class_key] in features.neighbours(features.place_of[first[0].class_key])
    strategy.tell(child, Outcome(0.15, 0.0, 1, 1.0))  # the best, which is the oldest, has gone
    (child,) = strategy.ask()
    assert features.place_of[child.class_key] in features.neighbours(features.place_of[first[2].class_key])


def test_evolution_makes_as_many_children_at_once_as_it_is_told() -> None:
    space = dense_space()
    strategy = strategy_of(EvolutionConfig(population=3, children_at_once=4), view_of(space))
    for candidate in strategy.ask():
        strategy.tell(candidate, Outcome(0.5, 0.0, 1, 1.0))
    assert len({candidate.class_key for candidate in strategy.ask()}) == 4


def test_greedy_adds_the_best_choice_and_ends_when_none_is_better() -> None:
    space = dense_space()
    gains = {"hflip": 0.1, "hflip + swap_lr": 0.2}

    def accuracy(candidate: Candidate) -> float:
        return 0.5 + gains.get(names_of(space, [candidate])[0], 0.0) + 0.01 * candidate.seed

    asked, found = run(GreedyConfig(), view_of(space, seeds=3), accuracy)
    names = names_of(space, asked)
    assert names[:3] == ["none"] * 3
    assert set(names[3:7]) == {"rot90", "hflip", "vflip", "swap_lr"}
    assert names.count("hflip") == names.count("hflip + swap_lr") == 3
    assert 1 <= names.count("rot90") < 3  # dropped by the race
    assert names_of(space, [Candidate(found[0])]) == ["hflip + swap_lr"]
    assert len(asked) < len(space.classes) * 3


def test_greedy_adds_nothing_to_an_addition_that_was_no_better() -> None:
    space = dense_space("hflip", "vflip", "swap_lr", "swap_tb")
    gains = {"hflip": 0.1, "hflip + swap_lr": 0.2}
    whole = space.child_at((1, 1, 1, 1)).class_key

    def accuracy(candidate: Candidate) -> float:
        return 0.5 + gains.get(names_of(space, [candidate])[0], 0.0)

    asked, found = run(GreedyConfig(), view_of(space, seeds=2), accuracy)
    assert names_of(space, [Candidate(found[0])]) == ["hflip + swap_lr"]
    assert whole not in {candidate.class_key for candidate in asked}


def test_one_child_answers_what_the_images_suggest() -> None:
    space = dense_space()
    symmetry = images_test(space, vflip=30.0, rot90=20.0)
    asked, found = run(SymmetryTestConfig(), view_of(space, children=1, symmetry=symmetry), lambda _: 0.5)
    assert names_of(space, asked) == ["hflip + swap_lr"]
    assert found == [asked[0].class_key]
    gcnn = gcnn_space()
    asked, _ = run(SymmetryTestConfig(), view_of(gcnn, children=1, symmetry=images_test(gcnn)), lambda _: 0.5)
    assert "D4" in names_of(gcnn, asked)[0]


def test_classes_come_by_the_evidence_against_them() -> None:
    space = dense_space("hflip", "vflip", "swap_lr")
    symmetry = images_test(space, vflip=300.0, swap_lr=5.0)
    names = names_of(space, run(SymmetryTestConfig(), view_of(space, symmetry=symmetry), lambda _: 0.5)[0])
    assert names[0] == "hflip"
    assert names.index("none") < names.index("vflip")
    assert names.index("hflip + swap_lr") < names.index("hflip + vflip")


@pytest.mark.parametrize("acquisition", ["expected_improvement", "thompson"])
@pytest.mark.parametrize("at_once", [1, 3])
def test_the_surrogate_needs_fewer_children_than_a_random_order(acquisition: str, at_once: int) -> None:
    space = dense_space("rot90", "hflip", "vflip", "swap_lr", "swap_tb", "quadrants")
    good = {"hflip", "swap_lr"}
    classes = {c.key: c for c in space.classes}

    def accuracy(candidate: Candidate) -> float:
        return (
            0.7
            + 0.1 * len(good & set(space.symmetry_of(classes[candidate.class_key])))
            - 0.05 * len(set(space.symmetry_of(classes[candidate.class_key])) - good)
        )

    best = max(classes, key=lambda key: accuracy(Candidate(key)))
    settings = SurrogateConfig.model_validate({"acquisition": acquisition, "children_at_once": at_once})
    needed = []
    for seed in range(5):
        asked, found = run(settings, view_of(space, seed=seed, children=len(classes)), accuracy)
        needed.append([candidate.class_key for candidate in asked].index(best) + 1)
        assert found[0] == best
    if acquisition == "expected_improvement":
        assert fmean(needed) < 0.75 * (len(classes) + 1) / 2


def test_the_images_say_where_the_surrogate_begins() -> None:
    space = dense_space()
    symmetry = images_test(space, vflip=30.0, rot90=20.0)
    first = {
        images: names_of(
            space, run(SurrogateConfig(images=images), view_of(space, children=1, symmetry=symmetry), lambda _: 0.5)[0]
        )[0]
        for images in (True, False)
    }
    assert first[True] == "hflip + swap_lr" != first[False]


def test_successive_halving_trains_the_best_for_more_epochs() -> None:
    space = dense_space("rot90", "hflip", "vflip", "swap_lr", "swap_tb", "quadrants")
    order = [c.key for c in space.classes]
    asked, found = run(
        SuccessiveHalvingConfig(), view_of(space, children=26), lambda c: 0.1 + order.index(c.class_key) / 40
    )
    rungs = [[c.class_key for c in asked if c.epochs == epochs] for epochs in (1, 3, None)]
    assert [len(rung) for rung in rungs] == [18, 6, 2]
    best = sorted(rungs[0], key=order.index)
    assert set(rungs[1]) == set(best[-6:])
    assert set(rungs[2]) == set(best[-2:])
    assert found[0] == best[-1]
    assert found[2] == best[-3]  # not trained whole, but known


@pytest.mark.parametrize(("epochs", "first"), [(1, 1), (9, 5)])
def test_successive_halving_needs_two_rungs(epochs: int, first: int) -> None:
    space = dense_space()
    view = view_of(space)
    view = type(view)(**{**vars(view), "epochs": epochs})
    with pytest.raises(ConfigError, match="only one rung"):
        strategy_of(SuccessiveHalvingConfig(first_epochs=first), view)


def test_the_recommendation_is_not_deceived_by_one_lucky_class() -> None:
    """Of many classes around 0.8, one was measured at 0.86 among bad ones, the good ones have good neighbours."""
    space = dense_space("hflip", "vflip", "swap_lr", "swap_tb", "quadrants")
    features = SpaceFeatures(space)
    truth = np.array([0.9 if "hflip" in space.symmetry_of(c) else 0.8 for c in features.classes])
    lucky = features.place_of[key_of(space, "quadrants")]
    measured = truth.copy()
    measured[lucky] = 0.905
    results = {c.key: [float(v)] for c, v in zip(features.classes, measured, strict=True)}
    assert max(results, key=lambda key: results[key][0]) == features.classes[lucky].key
    view = view_of(space)
    found = strategy_of(RandomConfig(), view).recommend(results)
    assert truth[features.place_of[found[0]]] == 0.9


def test_more_seeds_are_believed_more() -> None:
    space = dense_space("hflip", "vflip", "swap_lr", "swap_tb")
    model = ClassModel(SpaceFeatures(space), np.zeros(len(space.classes)), 120)
    places = list(range(len(space.classes)))
    values = [0.8] * len(places)
    values[3] = 0.9
    once = model.expected(places, values, [1] * len(places))[3]
    often = model.expected(places, values, [20 if place == 3 else 1 for place in places])[3]
    assert 0.8 < once < often < 0.9


def test_the_model_is_bayes_rule() -> None:
    """The posterior agrees with the formula for a normal distribution, computed by an inverse."""
    space = dense_space()
    features = SpaceFeatures(space)
    model = ClassModel(features, np.linspace(0, 2, len(features.classes)), 200)
    places, values, counts = [0, 2, 3], [0.7, 0.8, 0.75], [1, 2, 1]
    posterior = model.posterior(places, values, counts, covariance=True)
    every = np.arange(len(features.classes))
    prior = model._kernel(every)
    level = np.mean(values)
    noise = np.diag(model.prior.noise * level * (1 - level) / 200 / np.array(counts))
    gain = prior[:, places] @ np.linalg.inv(prior[np.ix_(places, places)] + noise)
    centre = level - model.trend[places].mean() + model.trend
    np.testing.assert_allclose(posterior.mean, centre + gain @ (values - centre[places]), atol=1e-9)
    np.testing.assert_allclose(posterior.covariance, prior - gain @ prior[places], atol=1e-9)
    np.testing.assert_allclose(model.posterior(places, values, counts).deviation, posterior.deviation, atol=1e-7)
    np.testing.assert_allclose(model.expected(places, values, counts), posterior.mean[places], atol=1e-9)


def test_neighbours_differ_by_one_choice() -> None:
    space = dense_space()
    features = SpaceFeatures(space)
    names = [space.spec(c).name for c in features.classes]
    assert {names[place] for place in features.neighbours(features.baseline)} == {"rot90", "hflip", "vflip", "swap_lr"}
    assert "none" in {names[place] for place in features.neighbours(names.index("hflip"))}
    wide = SpaceFeatures(gcnn_space())
    assert len(wide.neighbours(wide.baseline)) == 6  # three bits, shear, and two other sizes


def test_evidence_counts_a_factor_in_every_layer() -> None:
    space = layerwise_space()
    features = SpaceFeatures(space)
    evidence = dict(
        zip(
            [space.spec(c).name for c in features.classes],
            features.evidence(images_test(space, hflip=9.0)),
            strict=True,
        )
    )
    values = sorted(set(evidence.values()))
    assert values == pytest.approx([0.0, np.log1p(9.0), 2 * np.log1p(9.0)])
