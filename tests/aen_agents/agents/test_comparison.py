"""The comparison of a selection stage: networks and seeds that failed, one seed only, the rival."""

from dataclasses import replace

import numpy as np
import pytest

from aen.children import DenseSpec
from aen.groups import Decomposition
from aen.results import Evaluation, TestMeasurement
from aen.results.class_result import ClassResult, TestedClass
from aen.results.inference import Inference
from aen_agents.agents.comparison import compare, not_told_from_best
from aen_agents.agents.final_stage import _winner_first

PLAIN = DenseSpec()
TIED = PLAIN.with_decomposition(Decomposition.of(["rot90"]))
OTHER = PLAIN.with_decomposition(Decomposition.of(["hflip"]))
SEEDS = (1, 2, 3)
IMAGES = 200


def result(spec, accuracy, *, failed=(), rival=""):
    evaluations = []
    for seed in SEEDS:
        good = seed not in failed
        evaluations.append(
            Evaluation(
                key=spec.with_seed(seed).key,
                class_key=spec.class_key,
                seed=seed,
                status="ok" if good else "failed",
                train_loss=0.0,
                train_accuracy=0.0,
                validation_loss=0.0,
                validation_accuracy=(accuracy + 0.005 * (seed - 2)) * good,
                parameters=len(spec.name) * 100 * good,
                epochs=1.0,
                seconds=0.0,
                device="cpu",
                threads=1,
            )
        )
    return ClassResult(spec, spec.group, tuple(evaluations), rival)


def right(found):
    source = np.random.default_rng(len(found.spec.name))
    chances = np.array(found.validation_accuracies)[:, None]
    return source.random((len(SEEDS), IMAGES)) < chances


def measured_on_test(found):
    measured = tuple(TestMeasurement(test_accuracy=a, test_loss=0.0) for a in found.validation_accuracies)
    return TestedClass(found, measured, right(found))


def compared(*ranking, augmentation=(), on_test=None):
    baseline = next(place for place, found in enumerate(ranking) if found.spec == PLAIN)
    places = {0, baseline, *augmentation} if on_test is None else on_test
    return compare(
        ranking,
        {place: measured_on_test(ranking[place]) for place in places},
        baseline=baseline,
        augmentation=augmentation,
        right=right,
    )


def test_a_clear_gain_is_shown_and_read_back():
    found = compared(result(TIED, 0.95), result(OTHER, 0.6), result(PLAIN, 0.5))
    assert found.gain.estimate.low > 0.2
    assert [c.not_told_from_best for c in found.compared] == [True, False, False]
    assert found.validation_images == found.test_images == IMAGES
    assert Inference.from_json(found.to_json()) == found


def test_the_rival_is_compared_with_its_class():
    rival = result(TIED.augmented_instead(), 0.8, rival="augmentation")
    found = compared(result(TIED, 0.95), rival, result(PLAIN, 0.5), augmentation=(0, 1))
    assert found.built_in_minus_augmentation.estimate.mean == pytest.approx(0.15)
    assert found.compared[1].rival == "augmentation"


def test_a_network_that_failed_on_every_seed_is_left_out():
    found = compared(result(TIED, 0.95), result(PLAIN, 0.5), result(OTHER, 0.9, failed=SEEDS))
    assert len(found.compared) == 2
    assert found.left_out == ("hflip, which failed on every seed",)


def test_a_seed_on_which_one_failed_is_left_out_for_all():
    found = compared(result(TIED, 0.95), result(PLAIN, 0.5, failed=(2,)))
    assert found.seeds == (1, 3)
    assert found.left_out == ("seed 2, on which a network failed",)
    assert found.gain.estimate.mean == pytest.approx(0.45)


def test_one_seed_left_gives_no_comparison():
    assert compared(result(TIED, 0.95), result(PLAIN, 0.5, failed=(1, 2))) is None


def test_a_failed_baseline_gives_no_comparison():
    assert compared(result(TIED, 0.95), result(PLAIN, 0.5, failed=SEEDS)) is None


def test_without_weights_the_intervals_cover_the_seeds():
    ranking = (result(TIED, 0.95), result(PLAIN, 0.5))
    on_test = {place: replace(measured_on_test(r), right=None) for place, r in enumerate(ranking)}
    found = compare(ranking, on_test, baseline=1, augmentation=(), right=lambda _: None)
    assert found.validation_images == 0
    assert found.gain.estimate.low > 0


def test_no_symmetry_as_the_winner_has_no_gain():
    assert compared(result(PLAIN, 0.9), result(TIED, 0.8)).gain is None


def test_of_tied_classes_one_that_the_images_support_wins():
    best, supported, worse = result(OTHER, 0.8), result(TIED, 0.797), result(PLAIN, 0.4)
    ranking = [best, supported, worse]
    assert [found.spec for found in not_told_from_best(ranking, right)] == [OTHER, TIED]
    assert _winner_first(ranking, [TIED.class_key], right) == [supported, best, worse]
    assert _winner_first(ranking, [], right) == ranking
    # A class that is worse beyond the interval does not win, whatever the images say.
    far = [best, worse, result(TIED, 0.3)]
    assert _winner_first(far, [TIED.class_key], right) == far


def test_a_class_that_failed_on_a_seed_wins_no_tie():
    best, failed = result(OTHER, 0.8), result(TIED, 0.8, failed=(1,))
    assert not_told_from_best([best, failed], right) == [best]
