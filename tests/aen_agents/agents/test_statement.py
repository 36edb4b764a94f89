"""The verdict in plain words: a sentence for each kind."""

from dataclasses import replace

import pytest

from aen.children import DenseSpec, EquiNASSpec, GCNNSpec
from aen.groups import Decomposition
from aen.results.accuracy import Comparison, TestAccuracy, TestDifference, ValidationAccuracy, ValidationDifference
from aen.results.generator_effects import GeneratorEffect, effects_of_sets
from aen.results.inference import Compared, Inference
from aen.results.result_rows import TestedRow
from aen.results.verdict import ClassVerdict
from aen.statistics import Difference, Estimate
from aen_agents.agents.statement import _of_classes, interval_text, layers_in_words, words_of

TIED = DenseSpec(decomposition=Decomposition.of(["rot90", "hflip"]))


def row(spec, *, rival=""):
    return TestedRow(
        decomposition=spec.name,
        group="",
        class_key=spec.class_key,
        parameters=10,
        validation=ValidationAccuracy.of([0.9, 0.9]),
        test=TestAccuracy.of([0.9, 0.9]),
        spec=spec.to_json(),
        rival=rival,
    )


def difference(mean, low, high):
    return Difference(Estimate(mean, low, high))


def compared(name, parameters=10, *, equal=True, rival="", over=None):
    zero = difference(0.0, -0.01, 0.01)
    return Compared(
        decomposition=name,
        class_key=name,
        parameters=parameters,
        rival=rival,
        best_minus_it=zero,
        minus_no_symmetry=over or zero,
        not_told_from_best=equal,
    )


def verdict(winner, gain, *, rival="", against=None, networks=()):
    nothing = Comparison(ValidationDifference(0, (0, 0)), TestDifference(0, (0, 0)))
    return ClassVerdict(
        winner=row(winner, rival=rival),
        baseline=row(DenseSpec()),
        winner_minus_baseline=nothing,
        selection=(),
        inference=Inference(
            compared=networks or (compared("best"), compared("none", 20, equal=False)),
            seeds=(1, 2, 3),
            validation_images=100,
            test_images=100,
            factors=(3.0, 2.5),
            gain=gain,
            built_in_minus_augmentation=against,
        ),
    )


GAIN = difference(0.061, 0.04, 0.082)


def with_rival(low, high, of=TIED):
    over = difference((low + high) / 2, low, high)
    rival = compared(of.augmented_instead().class_key, 20, rival="augmentation", over=over)
    return (compared("best"), compared("none", 20, equal=False), rival)


def test_a_gain_without_a_symmetry_of_the_images():
    """Training on moved images cannot be worse than on images of the same distribution."""
    found = _of_classes(verdict(TIED, GAIN, against=GAIN, networks=with_rival(-0.31, -0.29)), [])
    assert found.kind == "weight_tying"
    assert " ".join(found.sentences[:2]) == (
        "Quarter turns and horizontal flips: +6.1 points (95 % interval 4.0 to 8.2) over no symmetry. The gain comes "
        "from tying weights, not from a symmetry of the images: augmenting with them instead, -30.0 points (95 % "
        "interval -31.0 to -29.0) over no symmetry on validation."
    )
    assert _of_classes(verdict(TIED, GAIN, against=GAIN, networks=with_rival(-0.1, 0.01)), []).kind == "symmetry"


def test_the_rival_of_another_class_says_nothing_about_the_winner():
    """As where the winner has none, or ties are decided otherwise when the rival is among the networks."""
    other = DenseSpec(decomposition=Decomposition.of(["hshift(1/4)"]))
    found = _of_classes(verdict(TIED, GAIN, against=GAIN, networks=with_rival(-0.31, -0.29, other)), [])
    assert found.kind == "symmetry"
    assert "augment" not in found.text.lower()
    winner = GCNNSpec(group="C4", augment="C4")
    assert winner.augmented_instead() is None
    found = _of_classes(verdict(winner, GAIN, against=GAIN, networks=with_rival(-0.31, -0.29)), [])
    assert found.kind == "symmetry"
    assert "them instead" not in found.text


def test_without_a_gain_it_does_not_matter_what_moved_images_do():
    none = difference(0.01, -0.01, 0.03)
    assert _of_classes(verdict(TIED, none, networks=with_rival(-0.31, -0.29)), []).kind == "undecided"


def test_symmetry_with_what_hurts():
    effects = [GeneratorEffect(n, 5, Estimate(-0.1, -0.2, -0.05)) for n in ("hshift(1/4)", "vshift(1/4)", "quadrants")]
    found = _of_classes(verdict(TIED, GAIN), effects)
    assert found.kind == "symmetry"
    assert found.sentences[0] == (
        "Quarter turns and horizontal flips: +6.1 points (95 % interval 4.0 to 8.2) over no symmetry; shifts and "
        "cyclic moves of the quadrants hurt."
    )


def test_a_signal_is_reversed_and_not_flipped():
    spec = DenseSpec(grids=((2, 64), (2, 32), (2, 16)), decomposition=Decomposition.of(["reverse"]))
    effects = [GeneratorEffect(name, 5, Estimate(-0.1, -0.2, -0.05)) for name in ("swap_lr", "swap_tb", "hshift(1/4)")]
    first = _of_classes(verdict(spec, GAIN), effects).sentences[0]
    assert first.startswith("Reversal: +6.1 points")
    hurting = "exchange of the two halves, a change of sign and shifts by a quarter of the length hurt."
    assert first.endswith(f"; {hurting}")


def test_no_symmetry():
    found = _of_classes(verdict(DenseSpec(), None), [])
    assert (found.kind, found.sentences[0]) == ("no_symmetry", "No symmetry helps.")


def test_a_negligible_gain_is_none():
    assert _of_classes(verdict(TIED, difference(0.001, -0.004, 0.006)), []).kind == "no_symmetry"


def test_an_interval_around_zero_is_undecided():
    found = _of_classes(verdict(TIED, difference(0.02, -0.01, 0.05)), [])
    assert found.kind == "undecided"
    assert "quarter turns and horizontal flips, +2.0 points" in found.sentences[0]


def test_augment():
    found = _of_classes(
        verdict(TIED.augmented_instead(), GAIN, rival="augmentation", against=difference(0, -0.01, 0.01)), []
    )
    assert found.kind == "augment"
    assert found.sentences[0] == (
        "Augmenting with quarter turns and horizontal flips does as well as building them in, at no loss: augment."
    )


def test_building_in_beats_augmenting():
    found = _of_classes(verdict(TIED, GAIN, against=difference(0.03, 0.01, 0.05), networks=with_rival(0.01, 0.03)), [])
    assert found.sentences[1] == "Building them in beats augmenting with them: +3.0 points (95 % interval 1.0 to 5.0)."


def test_approximate():
    layers = DenseSpec(grids=(8, 16, 16, 16)).with_layers([TIED.decomposition] * 2 + [Decomposition()])
    found = _of_classes(verdict(layers, GAIN), [])
    assert found.kind == "approximate"
    assert found.sentences[0] == (
        "Approximate: full in the first two layers, none in the last (full: quarter turns and horizontal flips)."
    )
    assert layers_in_words(EquiNASSpec()) == ""
    equinas = EquiNASSpec(groups=("D4",) * 4 + ("D1a",) * 4, head_group="C1")
    assert layers_in_words(equinas) == (
        "full in the first four layers, flips along the other diagonal in the next four, none in the last "
        "(full: quarter turns and flips)"
    )


def test_without_inference_it_is_undecided():
    found = _of_classes(replace(verdict(TIED, GAIN), inference=None), [])
    assert found.kind == "undecided"
    assert "fewer than two seeds" in found.text


def test_the_smallest_equal_network_is_offered():
    networks = (compared("best", 30), compared("small", 5), compared("smaller but worse", 1, equal=False))
    found = _of_classes(verdict(TIED, GAIN, networks=networks), [])
    assert (
        "Two of 3 networks compared cannot be told from the best; the smallest of them is small, with 5 parameters."
        in (found.sentences)
    )


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (GCNNSpec(), "no symmetry"),
        (GCNNSpec(group="D4"), "quarter turns and flips"),
        (GCNNSpec(group="C4", augmentations=("hflip",)), "quarter turns with hflip"),
        (GCNNSpec(augmentations=("hflip",)), "hflip"),
        (GCNNSpec(group="C4").augmented_instead(), "augmentation with quarter turns"),
        (EquiNASSpec(groups=("D2",) * 8), "horizontal and vertical flips"),
        (EquiNASSpec(groups=("D2",) * 8).augmented_instead(), "augmentation with horizontal and vertical flips"),
        (EquiNASSpec(mixed=("D4", "C1")), "a mixture of quarter turns and flips (D4) and no symmetry in every layer"),
    ],
)
def test_words_of_planar_children(spec, words):
    assert words_of(spec) == words


def test_words_of_the_rival():
    assert words_of(TIED.augmented_instead()) == "augmentation with quarter turns and horizontal flips"
    assert interval_text(Estimate(0.01, -0.005, 0.025)) == "+1.0 points (95 % interval -0.5 to 2.5)"


def test_effects_of_sets_with_simultaneous_intervals():
    noise = [0.001, -0.002, 0.0015, -0.001, 0.002, -0.0015, 0.001, -0.001]
    sets = {str(mask): mask for mask in range(8)}
    accuracies = {key: 0.8 + 0.1 * (mask & 1) - 0.2 * (mask >> 2 & 1) + noise[mask] for key, mask in sets.items()}
    helping, nothing, hurting = effects_of_sets(["a", "b", "c"], sets, accuracies)
    assert helping.helps
    assert helping.effect.mean == pytest.approx(0.1, abs=0.005)
    assert nothing.effect.low < 0 < nothing.effect.high
    assert hurting.hurts
