"""The statistics of the racing agent against least squares, and its error rates in simulation."""

import numpy as np
import pytest
from scipy.stats import t

from aen_agents.agents.race import Race

IMAGES = 1000


def simulated(
    source: np.random.Generator, accuracies: list[float], counts: list[int], noise: float = 0.01
) -> dict[str, list[float]]:
    """Return accuracies of classes on their first seeds, with effects of the seeds."""
    effects = source.normal(0, 0.02, max(counts))
    return {
        f"class{i}": [float(accuracy + effects[j] + source.normal(0, noise)) for j in range(count)]
        for i, (accuracy, count) in enumerate(zip(accuracies, counts, strict=True))
    }


@pytest.mark.parametrize("counts", [[4, 3, 1, 2], [4, 3, 3, 4]])
def test_the_estimates_are_those_of_least_squares(counts: list[int]) -> None:
    known = simulated(np.random.default_rng(0), [0.8, 0.82, 0.7, 0.75], counts)
    places = [(i, j) for i, count in enumerate(counts) for j in range(count)]
    design = np.zeros((len(places), 4 + 4))
    for row, (i, j) in enumerate(places):
        design[row, i] = design[row, 4 + j] = 1
    values = np.concatenate([np.array(own) for own in known.values()])
    solution, _, rank, _ = np.linalg.lstsq(design, values, rcond=None)
    race = Race.of(known, IMAGES)
    assert race.degrees == len(places) - rank
    means = np.array(list(race.means.values()))
    assert means - means[0] == pytest.approx(solution[:4] - solution[0], abs=1e-9)
    noise = (float(((values - design @ solution) ** 2).sum()) / race.degrees) ** 0.5
    assert race.noise == (None if race.degrees < 5 else pytest.approx(noise))


def test_effects_of_the_seeds_do_not_count() -> None:
    known = {"a": [0.8, 0.9, 0.7], "b": [0.7, 0.8, 0.6], "c": [0.6, 0.7, 0.5], "d": [0.5]}
    race = Race.of(known, IMAGES)
    assert {key: mean - race.means["a"] for key, mean in race.means.items()} == pytest.approx(
        {"a": 0.0, "b": -0.1, "c": -0.2, "d": -0.3}
    )


def test_no_class_is_dropped_before_the_noise_is_known() -> None:
    race = Race.of({"a": [0.9], "b": [0.1], "c": [0.5]}, IMAGES)
    assert race.noise is None
    assert race.behind(0.5) == set()
    assert sorted(race.expected(), key=race.expected().__getitem__) == ["b", "c", "a"]


def test_a_class_on_one_seed_is_drawn_to_the_mean_more_than_one_on_many() -> None:
    known = {"many": [0.9] * 4, "few": [0.9], **{f"other{i}": [0.8, 0.8 + 0.02 * (-1) ** i] for i in range(6)}}
    race = Race.of(known, IMAGES)
    expected = race.expected()
    assert race.means["many"] - expected["many"] < race.means["few"] - expected["few"]


@pytest.mark.parametrize("counts", [[3] * 10, [5, 5, 5, 3, 3, 3, 2, 2, 2, 2]], ids=["balanced", "unbalanced"])
def test_the_best_class_is_rarely_dropped(counts: list[int]) -> None:
    """All classes are equal, the hardest case: any that is dropped is one of the best."""
    source = np.random.default_rng(0)
    level, tries = 0.1, 300
    dropped = [Race.of(simulated(source, [0.8] * 10, counts), IMAGES).behind(level) for _ in range(tries)]
    first = sum("class0" in classes for classes in dropped)
    assert first <= level * tries  # of one best class; the bound holds for each of them


def test_worse_classes_are_dropped() -> None:
    source = np.random.default_rng(0)
    race = Race.of(simulated(source, [0.85, 0.849, 0.7, 0.7], [4, 4, 3, 1]), IMAGES)
    assert race.behind(0.05) == {"class2", "class3"}


def test_the_threshold_is_that_of_bonferroni() -> None:
    known = {"a": [0.80, 0.82, 0.81], "b": [0.79, 0.80, 0.80], "c": [0.78, 0.79, 0.77], "d": [0.76, 0.79, 0.75]}
    race = Race.of(known, IMAGES)
    assert race.noise is not None
    error = race.noise * (2 / 3) ** 0.5
    gaps = {key: race.means["a"] - mean for key, mean in race.means.items() if key != "a"}
    for level in (0.4, 0.1, 0.01, 0.001):
        critical = t.isf(level / 3, race.degrees)
        assert race.behind(level) == {key for key, gap in gaps.items() if gap > critical * error}


def test_no_classes_at_all() -> None:
    race = Race.of({}, IMAGES)
    assert race.means == race.expected() == {}
    assert race.behind(0.05) == set()
