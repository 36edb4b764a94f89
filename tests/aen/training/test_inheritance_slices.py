"""Slices of a training, each from the weights of the one before, are one training."""

from dataclasses import replace

import pytest
import torch
from helpers.inheritance_cases import ADAM, MODES, MOMENTUM, SMALL, SPEC, same_state
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aen.children import EquiNASSpec, build_child
from aen.training import train_child
from aen.training.autograd import fit
from aen.training.weights import load_parent


@pytest.fixture(scope="module")
def data(data_of):
    return data_of(SPEC)


def train_slices(spec, data, folder, slices, epochs):
    """Train slice after slice, each from the file of the one before; return the last one's evaluation."""
    parent = None
    for _ in range(slices):
        own = replace(spec, training=replace(spec.training, epochs=epochs), parent=parent)
        found = train_child(own, data, weights_folder=folder, parents_folder=folder, debug=True)
        parent = own.key
    return found


def assert_slices_are_one(spec, data, folder, slices, epochs, whole):
    """So many slices and one training of so many epochs as a whole end the same, bit for bit."""
    last = train_slices(spec, data, folder / "slices", slices, epochs)
    one = train_child(
        replace(spec, training=replace(spec.training, epochs=whole)), data, weights_folder=folder / "whole"
    )
    (child, progress), (other, theirs) = (
        load_parent(evaluation.key, folder / name) for name, evaluation in (("slices", last), ("whole", one))
    )
    assert progress.batches == theirs.batches
    same_state(progress.optimiser, theirs.optimiser)
    names = {name for name, _ in child.named_parameters()}
    for name, value in other.state_dict().items():
        # The number of batches that a norm has seen says nothing: statistics are taken anew after each slice.
        assert name.endswith("num_batches_tracked") or torch.equal(child.state_dict()[name], value), name
    assert theirs.optimiser.keys() == names
    figures = ("train_loss", "validation_loss", "validation_accuracy", "record")
    assert [getattr(last, name) for name in figures] == [getattr(one, name) for name in figures]
    return child, build_child(child.spec)


@pytest.mark.parametrize(
    ("mode", "training"),
    [*((mode, ADAM) for mode in MODES), ("mixed", MOMENTUM)],
    ids=lambda value: value if isinstance(value, str) else value.optimiser,
)
def test_slices_are_one_training_bit_for_bit(mode, training, data, tmp_path):
    spec = EquiNASSpec(**SMALL, **MODES[mode], training=training)
    child, start = assert_slices_are_one(spec, data, tmp_path, 2, 1 / 2, 1)
    pairs = zip(child.parameters(), start.parameters(), strict=True)
    assert not any(torch.equal(one, other) for one, other in pairs)


@pytest.mark.parametrize(
    ("n", "slices", "epochs", "batches"),
    [
        (18, 5, 1 / 5, 5),  # five batches, the last one smaller
        pytest.param(22, 2, 1 / 2, 6, marks=pytest.mark.slow),
        (22, 4, 1 / 4, 6),  # one and a half, three, four and a half, six: no batch is won or lost
        (18, 3, 1 / 2, 8),  # seven and a half are eight
        (18, 2, 1.5, 15),  # over the end of an epoch
        (18, 2, 0.01, 2),  # one batch is the least
    ],
)
def test_slices_that_do_not_divide_an_epoch_are_one_training_of_as_many_batches(
    n, slices, epochs, batches, data_of, tmp_path
):
    spec = replace(SPEC, training=MOMENTUM)
    child, _ = assert_slices_are_one(spec, data_of(spec, n), tmp_path, slices, epochs, batches / -(-n // 4))
    assert load_parent(child.spec.key, tmp_path / "slices")[1].batches == batches


def test_slices_with_halves_of_other_sizes_are_one_training(data_of, tmp_path):
    # 21 images are 10 for the weights and 11 for alpha, which have no batch in common.
    spec = EquiNASSpec(**SMALL, **MODES["halves"], training=ADAM)
    child, _ = assert_slices_are_one(spec, data_of(spec, 21), tmp_path, 3, 0.5, 4 / 3)
    assert load_parent(child.spec.key, tmp_path / "slices")[1].batches == 4


@given(n=st.integers(4, 30), size=st.integers(2, 7), slices=st.integers(1, 4), data_seed=st.integers(0, 99))
@settings(max_examples=4, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_slices_are_one_training(n, size, slices, data_seed, data_of, tmp_path_factory):
    # One image alone is normed by the running statistics, which each slice takes anew.
    n += n % size == 1
    batches = -(-n // size)
    spec = replace(SPEC, seed=data_seed, training=replace(ADAM, batch_size=size))
    whole = max(slices, batches) / batches  # a slice has a batch at least
    assert_slices_are_one(spec, data_of(spec, n), tmp_path_factory.mktemp("slices"), slices, 1 / slices, whole)


def test_the_same_progress_can_be_gone_on_from_twice(data):
    images, labels = data.train.images, data.train.labels
    child = build_child(SPEC)
    progress = fit(child, SPEC, images, labels).progress
    state = {name: {key: value.clone() for key, value in kept.items()} for name, kept in progress.optimiser.items()}
    weights = {name: value.clone() for name, value in child.state_dict().items()}
    ends = []
    for _ in range(2):
        child.load_state_dict(weights)
        fit(child, SPEC, images, labels, progress)
        same_state(progress.optimiser, state)
        ends.append([parameter.detach().clone() for parameter in child.parameters()])
    assert all(torch.equal(one, other) for one, other in zip(*ends, strict=True))
