from dataclasses import replace

import pytest
import torch

from aen.children import DenseSpec, EquiNASSpec, TrainingSpec
from aen.data import DataSpec, load_dataset
from aen.errors import SpecError
from aen.evaluators import LocalEvaluator, evaluate
from aen.groups import Decomposition
from aen.training import train_child, train_population

PLAIN = DenseSpec(
    data=DataSpec(train=200, validation=200, test=60),
    grids=(8, 8, 8),
    head="free",
    decomposition=Decomposition.of(["hflip"]),
    training=TrainingSpec(epochs=4),
)
HALF = replace(PLAIN, training=replace(PLAIN.training, precision="bfloat16"))


@pytest.fixture(scope="module")
def dataset():
    return load_dataset(PLAIN.data)


def test_precision_is_part_of_the_key_and_of_the_json():
    assert HALF.key != PLAIN.key
    assert DenseSpec.from_json(HALF.to_json()) == HALF
    assert HALF.to_json()["training"]["precision"] == "bfloat16"


def test_an_unknown_precision_is_named_with_what_could_be_meant():
    with pytest.raises(SpecError, match=r"unknown training.precision 'bfloat1' \(did you mean 'bfloat16'\?\)"):
        TrainingSpec(precision="bfloat1")


def test_bfloat16_rounds_but_learns_the_same(dataset):
    plain, half = train_child(PLAIN, dataset), train_child(HALF, dataset)
    assert half.key == HALF.key
    assert half.validation_loss != plain.validation_loss
    assert half.validation_loss == pytest.approx(plain.validation_loss, abs=0.05)
    assert half.validation_accuracy == pytest.approx(plain.validation_accuracy, abs=0.05)


def test_alone_is_a_population_of_one(dataset):
    (side_by_side,) = train_population([HALF], dataset)
    assert train_child(HALF, dataset).validation_loss == side_by_side.validation_loss


def test_children_of_two_precisions_do_not_share_a_population(dataset):
    with pytest.raises(SpecError, match="differ in decomposition and seed only"):
        train_population([PLAIN, HALF], dataset)
    results = evaluate(LocalEvaluator(population=2), [PLAIN, HALF])
    assert results[0].validation_loss != results[1].validation_loss


@pytest.mark.parametrize(
    "spec",
    [PLAIN, EquiNASSpec(data=PLAIN.data, side=8, width=1, kernel_size=3, dense=8, training=TrainingSpec(epochs=1))],
    ids=["dense", "equinas"],
)
def test_the_caller_s_autocast_changes_no_result(dataset, spec):
    expected = train_child(spec, dataset), *(train_population([spec], dataset) if spec is PLAIN else ())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = train_child(spec, dataset), *(train_population([spec], dataset) if spec is PLAIN else ())
    assert [replace(e, seconds=0) for e in found] == [replace(e, seconds=0) for e in expected]
