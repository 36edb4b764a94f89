"""The curve of a training: measurements and weights after every epoch."""

from dataclasses import replace

import pytest
import torch
from helpers.inheritance_cases import MIXED, SMALL

from aen.children import ChildSpec, EquiNASSpec
from aen.children.dense import DenseSpec
from aen.children.gcnn import GCNNSpec
from aen.children.training_spec import TrainingSpec
from aen.errors import SpecError
from aen.groups.decomposition import Decomposition
from aen.training import children_by_epoch, load_child, measure, train_child, train_population

EPOCHS = 3
TRAINING = TrainingSpec(epochs=EPOCHS, batch_size=10, learning_rate=0.01)
TIED = Decomposition.of(["hflip"])
CHILDREN = {
    "dense": DenseSpec(grids=(8, 8, 8), decomposition=TIED, training=TRAINING),
    "dense, augmented": DenseSpec(grids=(8, 8), augment=Decomposition.of(["rot90"]), training=TRAINING),
    "dense, invariant head": DenseSpec(grids=(8, 8), head="invariant", decomposition=TIED, training=TRAINING),
    "gcnn, batch norm and dropout": GCNNSpec(
        side=8, width=4, group="C4", padding="same", norm="batch", dropout=0.3, training=TRAINING
    ),
    "gcnn, augmented, sgd": GCNNSpec(
        side=8,
        width=4,
        padding="same",
        norm="batch",
        augmentations=("rotation",),
        training=replace(TRAINING, optimiser="sgd", momentum=0.9),
    ),
    "equinas": EquiNASSpec(**SMALL, **MIXED, training=TRAINING),
}
FIGURES = ("train_loss", "train_accuracy", "validation_loss", "validation_accuracy")


@pytest.fixture(params=CHILDREN.values(), ids=CHILDREN.keys())
def spec(request):
    return request.param


def with_training(spec, **changes):
    return replace(spec, training=replace(spec.training, **changes))


def test_an_entry_is_the_evaluation_of_so_many_epochs(spec, data_of):
    data = data_of(spec)
    curve = train_child(with_training(spec, curve=True), data).record["curve"]
    assert [entry["epoch"] for entry in curve] == [1, 2, 3]
    for entry in curve:
        alone = train_child(with_training(spec, epochs=entry["epoch"]), data)
        assert {name: entry[name] for name in FIGURES} == {name: getattr(alone, name) for name in FIGURES}
    assert curve[0]["train_loss"] != curve[2]["train_loss"]
    assert 0 < curve[0]["seconds"] < curve[1]["seconds"] < curve[2]["seconds"]


def test_the_weights_of_every_epoch_are_kept(spec, data_of, tmp_path):
    data, curved = data_of(spec), with_training(spec, curve=True)
    found = train_child(curved, data, weights_folder=tmp_path / "curve")
    path = tmp_path / "curve" / found.weights
    seen = [measure(child, data.validation) for child in children_by_epoch(curved, path)]
    assert [each.loss for each in seen] == [entry["validation_loss"] for entry in found.record["curve"]]
    for epochs, child in enumerate(children_by_epoch(curved, path), start=1):
        shorter = with_training(spec, epochs=epochs)
        name = train_child(shorter, data, weights_folder=tmp_path).weights
        assert_same(child, load_child(shorter, tmp_path / name))


def test_the_final_weights_are_those_without_a_curve(spec, data_of, tmp_path):
    data, curved = data_of(spec), with_training(spec, curve=True)
    with_curve = train_child(curved, data, weights_folder=tmp_path)
    without = train_child(spec, data, weights_folder=tmp_path)
    assert_same(load_child(curved, tmp_path / with_curve.weights), load_child(spec, tmp_path / without.weights))
    assert (without.record or {}).get("curve") is None


def assert_same(child, other):
    ours, theirs = child.state_dict(), other.state_dict()
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if not torch.equal(ours[name], theirs[name])] == []


def test_a_diverged_child_keeps_the_entries_before(data_of):
    spec = DenseSpec(grids=(8, 8), training=replace(TRAINING, learning_rate=1e30, curve=True))
    found = train_child(spec, data_of(spec))
    assert found.status == "diverged"
    assert len(found.record["curve"]) < EPOCHS
    first = train_child(with_training(spec, epochs=1, curve=False), data_of(spec))
    assert all(entry["train_loss"] == first.train_loss for entry in found.record["curve"][:1])


def test_json_and_key_are_those_of_before_without_a_curve():
    spec = CHILDREN["dense"]
    assert "curve" not in spec.to_json()["training"]
    curved = with_training(spec, curve=True)
    assert curved.to_json()["training"]["curve"] is True
    assert ChildSpec.from_json(curved.to_json()) == curved
    assert curved.key != spec.key


def test_keys_of_stored_results_stay():
    dense = DenseSpec(grids=(8, 16, 16), decomposition=TIED, training=TrainingSpec(epochs=10))
    assert (dense.key, GCNNSpec(side=28).key) == KEYS


KEYS = ("55ee75790450d4ecf6c85a01", "7e17a9576b771242deeb95e0")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"curve": 1}, "training.curve is 1, of type int, but must be true or false"),
        ({"curve": True, "epochs": 0.5}, "training.epochs is 0.5; a curve needs a whole number of epochs"),
    ],
)
def test_a_wrong_curve_is_refused(change, message):
    with pytest.raises(SpecError, match=message):
        TrainingSpec(**change)


def test_children_with_a_parent_have_no_curve():
    spec = CHILDREN["equinas"]
    with pytest.raises(SpecError, match="a child with a parent has no curve"):
        replace(spec, parent="0" * 24, training=replace(TRAINING, curve=True))


def test_populations_have_no_curve(data_of):
    spec = with_training(CHILDREN["dense"], curve=True)
    with pytest.raises(SpecError, match="use population 1"):
        train_population([spec], data_of(spec), size=2)
