import random
from dataclasses import astuple, replace

import numpy as np
import pytest
import torch

from aen.children import DenseSpec, TrainingSpec, build_child
from aen.data import DataSpec, load_dataset, load_test_split
from aen.errors import SpecError
from aen.groups import Decomposition
from aen.training import Measured, cpu_threads, load_child, measure, measure_test, train_child

SPEC = DenseSpec(
    data=DataSpec(train=300, validation=200, test=100),
    grids=(8, 4, 4),
    decomposition=Decomposition.of(["hflip"]),
    training=TrainingSpec(epochs=2),
)
DIVERGING = replace(SPEC, training=TrainingSpec(epochs=2, learning_rate=1e30))


@pytest.fixture(scope="module")
def data():
    return load_dataset(SPEC.data)


def same(one, other):
    return replace(one, seconds=0.0) == replace(other, seconds=0.0)


def test_same_spec_gives_the_same_result_bit_for_bit_whatever_is_trained_between(data, tmp_path):
    first = train_child(SPEC, data, weights_folder=tmp_path / "a")
    other = train_child(SPEC.with_seed(1), data)
    second = train_child(SPEC, data, weights_folder=tmp_path / "b")
    assert same(first, second)
    assert (tmp_path / "a" / first.weights).read_bytes() == (tmp_path / "b" / second.weights).read_bytes()
    assert other.train_loss != first.train_loss


def test_evaluation_says_what_was_trained(data):
    found = train_child(SPEC, data)
    assert (found.key, found.class_key, found.seed) == (SPEC.key, SPEC.class_key, 0)
    assert (found.status, found.epochs, found.device, found.threads) == ("ok", 2, "cpu", 1)
    assert found.parameters == sum(p.numel() for p in build_child(SPEC).parameters())
    assert found.weights is None
    assert 0 < found.seconds < 60


def global_states():
    return torch.get_rng_state().tolist(), repr(np.random.get_state()), random.getstate()  # noqa: NPY002


@pytest.mark.parametrize("spec", [SPEC, DIVERGING], ids=["ok", "diverged"])
def test_global_random_states_and_thread_count_are_left_alone(data, spec):
    threads, before = torch.get_num_threads(), global_states()
    train_child(spec, data, threads=threads + 1)
    assert global_states() == before
    assert torch.get_num_threads() == threads


def test_result_does_not_depend_on_the_global_random_state(data):
    torch.manual_seed(1)
    first = train_child(SPEC, data)
    torch.manual_seed(2)
    assert same(first, train_child(SPEC, data))


def test_thread_count_holds_inside_and_is_restored_after_an_error():
    before = torch.get_num_threads()

    def fail():
        with cpu_threads(before + 1):
            assert torch.get_num_threads() == before + 1
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert torch.get_num_threads() == before


def test_divergence_is_a_result_and_keeps_no_weights(data, tmp_path):
    found = train_child(DIVERGING, data, weights_folder=tmp_path)
    assert (found.status, found.weights) == ("diverged", None)
    assert found.train_accuracy == found.validation_accuracy == 0
    assert found.train_loss == found.validation_loss == 0
    assert list(tmp_path.iterdir()) == []


def test_a_child_that_only_the_last_step_broke_has_diverged(data, tmp_path):
    # One batch, one epoch: the only loss is finite, the weights after it are not.
    broken = replace(SPEC, training=TrainingSpec(epochs=1, batch_size=10_000, learning_rate=3e38))
    found = train_child(broken, data, weights_folder=tmp_path)
    assert (found.status, found.validation_accuracy, found.weights) == ("diverged", 0, None)


def test_children_learn():
    spec = replace(SPEC, data=DataSpec(), grids=(8, 16, 16), training=TrainingSpec(epochs=5))
    found = train_child(spec, load_dataset(spec.data))
    assert found.validation_accuracy > 0.6
    assert found.train_accuracy > 0.6
    assert found.train_loss < 1.2
    untrained = measure(build_child(spec), load_dataset(spec.data).validation)
    assert found.validation_loss < untrained.loss / 2
    assert found.validation_accuracy > untrained.accuracy + 0.3


def test_more_epochs_and_other_batches_are_another_training(data):
    base = train_child(SPEC, data)
    for change in ({"epochs": 3}, {"batch_size": 32}, {"learning_rate": 0.005}):
        other = train_child(replace(SPEC, training=replace(SPEC.training, **change)), data)
        assert other.train_loss != base.train_loss


def test_measure_agrees_with_numpy(data):
    child = build_child(SPEC)
    measured = measure(child, data.validation)
    with torch.no_grad():
        logits = child(data.validation.images).double().numpy()
    labels = data.validation.labels.numpy()
    likelihood = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert measured.loss == pytest.approx(-np.log(likelihood[np.arange(len(labels)), labels]).mean(), rel=1e-5)
    assert measured.accuracy == (logits.argmax(axis=1) == labels).mean()


def test_measure_in_several_batches_counts_every_image_once(data, monkeypatch):
    child = build_child(SPEC)
    whole = measure(child, data.validation)
    monkeypatch.setattr("aen.training.measuring.EVALUATION_BATCH", 70)
    assert astuple(measure(child, data.validation)) == pytest.approx(astuple(whole), rel=1e-5)


def test_validation_figures_are_those_of_the_trained_child(data, tmp_path):
    found = train_child(SPEC, data, weights_folder=tmp_path)
    child = load_child(SPEC, tmp_path / found.weights)
    expected = {"validation": (found.validation_loss, found.validation_accuracy)}
    expected["train"] = (found.train_loss, found.train_accuracy)
    for name, figures in expected.items():
        assert astuple(measure(child, getattr(data, name))) == pytest.approx(figures)


def test_test_figures_come_from_the_test_images(data, tmp_path):
    found = train_child(SPEC, data, weights_folder=tmp_path)
    child, split = load_child(SPEC, tmp_path / found.weights), load_test_split(SPEC.data)
    measured = measure_test(child, split)
    assert Measured(measured.test_loss, measured.test_accuracy) == measure(child, split)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"grids": (6, 4)}, "grids start at 6, but the images are 8x8"),
        ({"classes": 9}, "classes is 9, but the data set has 10"),
    ],
)
def test_child_that_does_not_fit_the_data_is_refused(data, change, message):
    with pytest.raises(SpecError, match=message):
        train_child(replace(SPEC, **change), data)
