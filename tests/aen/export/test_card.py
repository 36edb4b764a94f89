"""The model card: a YAML header that can be read, the symmetry in words, the evidence of the search and its limits."""

import re
from dataclasses import replace

import pytest
import torch
import yaml
from helpers.every_module import DENSE, GCNN, SMALL, STATIC
from helpers.exported_children import DIGITS, child_of

from aen.children import DenseSpec, EquiNASSpec
from aen.export import plain_network
from aen.export.card import model_card
from aen.export.source import source_of
from aen.export.words import outputs_move, symmetry_in_words
from aen.groups import Decomposition
from aen.results.accuracy import Comparison, TestAccuracy, TestDifference, ValidationAccuracy, ValidationDifference
from aen.results.provenance import Provenance, Seconds
from aen.results.result_rows import TestedRow
from aen.results.search_result import SearchResult
from aen.results.verdict import ClassVerdict


def row(key: str, validation: tuple[float, ...], test: tuple[float, ...]) -> TestedRow:
    return TestedRow(
        decomposition=key,
        group="D2",
        class_key=key,
        parameters=1234,
        validation=ValidationAccuracy.of(validation),
        test=TestAccuracy.of(test),
    )


def result_of(winner: TestedRow, baseline: TestedRow) -> SearchResult:
    pair = winner.test.by_seed, baseline.test.by_seed
    minus = Comparison(
        ValidationDifference.between(winner.validation.by_seed, baseline.validation.by_seed),
        TestDifference.between(*pair),
    )
    verdict = ClassVerdict(winner=winner, baseline=baseline, winner_minus_baseline=minus, selection=(winner, baseline))
    return SearchResult(
        name="mine",
        agent="dqn",
        seed=0,
        selection_seeds=(11, 3, 12),
        states=16,
        classes=12,
        provenance=Provenance(packages={}, python="3.11", machine="m"),
        verdict=verdict,
        seconds=Seconds(explore=1.0, total=2.0, in_all=2.0),
    )


def card_of(name: str = "dense", **changes) -> str:
    source = replace(source_of(child_of(name)), **changes)
    return model_card(source, plain_network(source.child, source.preprocessing))


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", "![](http://tracker/x)", "- [a](b) `c` | d", "\x1b[2J"])
def test_names_of_classes_are_text_in_the_card(name: str) -> None:
    classes = len(source_of(child_of("dense")).class_names)
    card = card_of(class_names=(name, *map(str, range(1, classes))))
    (line,) = [line for line in card.splitlines() if f"{classes} classes: " in line]
    assert not re.search(r"(?<!\\)[<>\[\]`!|]", line)
    assert "\x1b" not in card
    assert line.replace("\\", "").startswith(f"{classes} classes: 0 {name}") or not name.isprintable()


WINNER, BASELINE = row("w", (0.8, 0.9, 0.85), (0.7, 0.81, 0.75)), row("b", (0.6, 0.7, 0.65), (0.5, 0.6, 0.56))


def test_the_header_has_the_figures_of_this_very_network():
    _, header, text = card_of(result=result_of(WINNER, BASELINE), which="best").split("---\n", 2)
    found = yaml.safe_load(header)
    assert found["pipeline_tag"] == "image-classification"
    assert "license" not in found
    (entry,) = found["model-index"]
    metrics = {m["name"]: m["value"] for m in entry["results"][0]["metrics"]}
    assert metrics == {"validation accuracy": 0.9, "test accuracy": 0.81}  # seed 3 is the second
    assert "| winner | 85.0% (" in text
    assert "| untied | 65.0% (" in text
    assert "Winner minus untied on the test images: +20.0 points" in text
    assert "compatible with no difference" not in text
    assert "90.0% on validation, 81.0% on test images" in text


def test_a_difference_that_may_be_none_is_called_so():
    even = row("e", (0.6, 0.7, 0.65), (0.5, 0.61, 0.55))
    assert "which is compatible with no difference" in card_of(result=result_of(even, BASELINE), which="best")


def test_no_symmetry_is_said():
    text = card_of(result=result_of(BASELINE, BASELINE), which="best")
    assert "No symmetry that was tried is better on validation than none." in text
    assert "Winner minus" not in text


def test_a_network_that_was_trained_again_has_no_figures_of_its_own():
    card = card_of(result=result_of(WINNER, BASELINE), which="trained")
    assert "model-index" not in yaml.safe_load(card.split("---\n")[1])
    assert "trained again for longer (`aen train`); the figures above are those of the search" in card


def test_a_network_of_no_known_search_has_no_figures():
    card = card_of()
    assert "model-index" not in yaml.safe_load(card.split("---\n")[1])
    assert "No finished search is known" in card
    assert "digits: 60 training, 20 validation and 10 test images." in card
    assert "10 classes: 0, 1, 2" in card


def test_class_names_are_listed():
    names = ("nought", *map(str, range(1, 10)))
    assert "10 classes: 0 nought, 1, 2" in card_of(class_names=names)


PER_LAYER = (
    "quarter turns and flips (D4) in layers 1 to 3, horizontal and vertical flips (D2) in layers 4 to 5, half turns "
    "(C2) in layer 6, no symmetry in layers 7 to 9"
)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (DENSE, "quarter turns and horizontal flips (D4)"),
        (DenseSpec(), "no symmetry"),
        (
            replace(DENSE, decomposition=Decomposition(), layers=(Decomposition.of(["rot90"]), Decomposition())),
            "quarter turns in layer 1, no symmetry in layer 2",
        ),
        (GCNN, "quarter turns (C4)"),
        (replace(GCNN, backend="escnn", group="C8"), "eighths of a turn (C8)"),
        (
            EquiNASSpec(**SMALL, groups=STATIC),
            PER_LAYER,
        ),
        (EquiNASSpec(**SMALL, groups=("D4",) * 8), "quarter turns and flips (D4)"),
        (
            EquiNASSpec(**SMALL, mixed=("D4", "C1")),
            "a mixture of quarter turns and flips (D4) and no symmetry in every layer",
        ),
    ],
    ids=["dense", "none", "layerwise", "G-CNN", "escnn", "EquiNAS", "EquiNAS, one group", "mixed"],
)
def test_symmetries_in_words(spec, words):
    assert symmetry_in_words(spec) == words


def test_what_happens_to_the_logits_of_a_moved_image_is_true():
    images = torch.randn(4, 1, 8, 8, dtype=torch.float64)
    for name, stays in (("dense", False), ("dense, shifts", True), ("G-CNN", False), ("G-CNN, D4, norm", True)):
        child = child_of(name, DIGITS).double()
        group = child.spec.group
        moved = torch.roll(images, 4, dims=3) if name == "dense, shifts" else torch.rot90(images, 1, (2, 3))
        with torch.no_grad():
            same = torch.allclose(child(moved), child(images), atol=1e-8)
        assert same == stays, (name, group)
        assert ("leaves the logits as they are, up to rounding" in outputs_move(child.spec)) == stays
    assert outputs_move(DenseSpec()) == ""
