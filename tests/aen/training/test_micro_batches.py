"""Micro-batches: less of a batch in memory at a time, and the same training."""

from contextlib import nullcontext
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from aen.children import DenseSpec, EquiNASSpec, GCNNSpec, TrainingSpec, build_child
from aen.data import DataSpec, load_dataset
from aen.errors import SpecError
from aen.evaluators.worker import train
from aen.groups import Decomposition
from aen.training import train_child, train_population
from aen.training.architecture import ArchitectureSteps
from aen.training.autograd import fit
from aen.training.batches import split_batch
from aen.training.dense.batched_trainer import BatchedTrainer
from aen.training.dense.trainer import DenseTrainer
from aen.training.measuring import measure_prepared
from aen.training.recalibration import norms, recalibrate

DATA = DataSpec(train=70, validation=60, test=60)
TRAINING = TrainingSpec(epochs=2, batch_size=32)
SGD = replace(TRAINING, optimiser="sgd", learning_rate=0.05, momentum=0.9)
DENSE = DenseSpec(data=DATA, grids=(8, 4, 6), decomposition=Decomposition.of(["hflip"]), training=TRAINING)
PLAIN = GCNNSpec(data=DATA, side=8, width=4, group="C4", padding="same", training=SGD)
MIXED = EquiNASSpec(data=DATA, side=8, width=1, kernel_size=3, dense=8, mixed=("C1", "C4"), training=SGD)
PARTS = (2, 3, 5)


@pytest.fixture(scope="module")
def data():
    return load_dataset(DATA)


@given(count=st.integers(1, 500), parts=st.integers(1, 600))
def test_parts_are_a_whole_batch_in_order_and_nearly_equal(count, parts):
    found = split_batch(count, parts)
    assert found[0][0].start == 0
    assert found[-1][0].stop == count
    assert all(one.stop == other.start for (one, _), (other, _) in pairwise(found))
    sizes = [piece.stop - piece.start for piece, _ in found]
    assert len(found) == max(min(parts, count // 2), 1)
    assert min(sizes) >= min(2, count)
    assert max(sizes) - min(sizes) <= 1
    assert [share for _, share in found] == [size / count for size in sizes]


def test_one_part_is_the_batch_itself():
    assert split_batch(7, 1) == [(slice(0, 7), 1.0)]


@pytest.mark.parametrize("parts", [*PARTS, 1000])
@pytest.mark.parametrize("options", [{}, {"head": "invariant", "bias": "scalar_after_relu"}], ids=["free", "invariant"])
def test_the_engine_s_steps_are_the_same(options, parts):
    whole, pieces = (build_child(replace(DENSE, **options)).double() for _ in range(2))
    engines = DenseTrainer(whole, 1e-2), DenseTrainer(pieces, 1e-2)
    for step in range(3):
        source = torch.Generator().manual_seed(step)
        rows = whole.prepare(torch.randn(13, 64, generator=source, dtype=torch.float64))
        labels = torch.randint(0, 10, (13,), generator=source)
        losses = engines[0].step(rows, labels), engines[1].step(rows, labels, parts)
        torch.testing.assert_close(*losses, rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(engines[1].gradient, engines[0].gradient, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(engines[1].parameters, engines[0].parameters, rtol=1e-6, atol=1e-8)
    assert not torch.equal(engines[0].parameters, DenseTrainer(build_child(DENSE), 1e-2).parameters)


@pytest.mark.parametrize("parts", PARTS)
def test_a_population_s_gradients_are_the_same(data, parts):
    specs = [DENSE, DENSE.with_seed(1)]
    batch = torch.stack([torch.arange(31), torch.arange(31) + 20])
    images, labels = data.train.images.flatten(1)[batch], data.train.labels[batch]
    whole, pieces = BatchedTrainer(specs, "cpu"), BatchedTrainer(specs, "cpu", parts)
    torch.testing.assert_close(pieces.step(images, labels), whole.step(images, labels))
    # Of the weights: between them there is room that nothing fills.
    ours, theirs = (population._orbit_sums(population._gradient) for population in (pieces, whole))
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-7)
    assert theirs.abs().max() > 1e-3


@pytest.mark.parametrize("parts", PARTS)
def test_training_by_automatic_differentiation_is_the_same(data, parts):
    whole, pieces = build_child(PLAIN), build_child(PLAIN)
    start = [parameter.detach().clone() for parameter in whole.parameters()]
    assert fit(whole, PLAIN, data.train.images, data.train.labels).finite
    assert fit(pieces, PLAIN, data.train.images, data.train.labels, micro_batches=parts).finite
    for before, ours, theirs in zip(start, pieces.parameters(), whole.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-5)
        assert not torch.allclose(before, theirs, rtol=1e-3, atol=1e-5)


def test_a_penalty_counts_once(data, monkeypatch):
    monkeypatch.setattr(
        type(build_child(PLAIN)), "penalty", lambda child: sum(p.square().sum() for p in child.parameters())
    )
    whole, pieces, free = build_child(PLAIN), build_child(PLAIN), build_child(PLAIN)
    fit(whole, PLAIN, data.train.images, data.train.labels)
    fit(pieces, PLAIN, data.train.images, data.train.labels, micro_batches=3)
    monkeypatch.undo()
    fit(free, PLAIN, data.train.images, data.train.labels)
    sizes = [float(sum(p.detach().square().sum() for p in child.parameters())) for child in (whole, pieces, free)]
    assert sizes[1] == pytest.approx(sizes[0], rel=1e-3)
    assert sizes[0] < 0.9 * sizes[2]


@pytest.mark.parametrize("parts", PARTS)
def test_the_gradient_of_what_chooses_is_the_same(data, parts):
    def gradients(parts):
        child = build_child(MIXED).eval()  # in training, statistics of batch norm would be those of the parts
        rows = child.prepare(data.train.images)
        steps = ArchitectureSteps(child.architecture(), child, MIXED, len(rows), rows.device, micro_batches=parts)
        steps.step(rows, data.train.labels, 0, nullcontext())
        return [steps.optimiser.state[alpha]["exp_avg"] for alpha in steps.parameters]

    found, expected = torch.cat(gradients(parts)), torch.cat(gradients(1))
    size = expected.abs().max()
    torch.testing.assert_close(found / size, expected / size, rtol=0, atol=1e-4)


@pytest.mark.parametrize("parts", [2, 3])
def test_batch_norm_has_the_statistics_of_the_parts(data, parts):
    spec = replace(PLAIN, norm="batch")
    child = build_child(spec)
    fit(child, spec, data.train.images, data.train.labels, micro_batches=parts)
    found = [norm.running_var.clone() for norm in norms(child)]
    recalibrate(child, child.prepare(data.train.images), 32 // parts)
    assert found
    assert all(torch.equal(ours, norm.running_var) for ours, norm in zip(found, norms(child), strict=True))


@pytest.mark.parametrize("spec", [PLAIN, replace(PLAIN, norm="batch"), MIXED], ids=["plain", "norm", "mixed"])
@pytest.mark.slow
def test_fewer_images_are_in_the_network_at_a_time(data, spec, monkeypatch):
    kind = type(build_child(spec))
    original, seen = kind.forward_prepared, []
    monkeypatch.setattr(kind, "forward_prepared", lambda child, rows: seen.append(len(rows)) or original(child, rows))
    monkeypatch.setattr("aen.training.measuring.EVALUATION_BATCH", 32)
    train_child(spec, data)
    most = max(seen)
    seen.clear()
    train_child(spec, data, micro_batches=4)
    assert (most, max(seen)) == (32, 8)


def test_less_is_kept_for_the_gradient(data):
    """The bytes that automatic differentiation keeps of one batch, which are most of the memory."""

    def kept(parts):
        now, most = 0, 0

        class Held:
            def __init__(self, tensor):
                nonlocal now, most
                self.tensor = tensor
                now += tensor.nbytes
                most = max(most, now)

            def __del__(self):
                nonlocal now
                now -= self.tensor.nbytes

        child = build_child(PLAIN)
        with torch.autograd.graph.saved_tensors_hooks(Held, lambda held: held.tensor):
            fit(child, PLAIN, data.train.images, data.train.labels, micro_batches=parts)
        return most

    assert kept(4) < 0.5 * kept(1)


@pytest.mark.parametrize(
    ("spec", "limit"),
    [
        pytest.param(DENSE, 1e-3, id="dense"),
        pytest.param(replace(DENSE, training=replace(TRAINING, precision="bfloat16")), 0.05, id="dense, bfloat16"),
        pytest.param(replace(PLAIN, dropout=0.0), 1e-3, id="gcnn"),
        # Dropout draws for each part, and batch norm takes the statistics of each: another training.
        pytest.param(PLAIN, None, id="gcnn, dropout"),
        pytest.param(MIXED, None, id="equinas"),
    ],
)
def test_an_evaluation_notes_its_parts(data, spec, limit):
    whole, pieces = train_child(spec, data), train_child(spec, data, micro_batches=3)
    assert pieces.record == (whole.record or {}) | pieces.record
    assert pieces.record["parts"] == 3
    assert "parts" not in (whole.record or {})
    assert pieces.key == whole.key
    assert pieces.status == "ok"
    if limit is not None:
        assert pieces.validation_loss == pytest.approx(whole.validation_loss, rel=limit)


def test_a_population_notes_its_parts_and_a_divergence_too(data):
    both = train_population([DENSE, DENSE.with_seed(1)], data, micro_batches=2)
    assert [e.record for e in both] == [{"parts": 2}] * 2
    diverging = replace(DENSE, training=replace(TRAINING, learning_rate=1e30))
    found = train_child(diverging, data, micro_batches=2)
    assert (found.status, found.record) == ("diverged", {"parts": 2})


def test_measuring_in_parts_is_the_same(data):
    child = build_child(PLAIN).eval()
    rows, labels = child.prepare(data.train.images), data.train.labels
    whole, pieces = measure_prepared(child, rows, labels), measure_prepared(child, rows, labels, 1000)
    assert pieces.loss == pytest.approx(whole.loss, rel=1e-5)
    assert pieces.accuracy == pytest.approx(whole.accuracy, abs=1.5 / len(labels))  # of two equal logits either may win


@pytest.mark.parametrize("size", [1, 2])
def test_an_evaluator_s_training_takes_parts(data, size):
    (found,) = train([DENSE], data, size=size, device="cpu", threads=1, weights_folder=None, micro_batches=2)
    assert found.record == {"parts": 2}
    assert found.population == size


@pytest.mark.parametrize("spec", [DENSE, PLAIN])
def test_less_than_one_part_is_refused(data, spec):
    with pytest.raises(SpecError, match="micro_batches is 0; give 1"):
        train_child(spec, data, micro_batches=0)
    with pytest.raises(SpecError, match="micro_batches is -1"):
        train_population([DENSE], data, micro_batches=-1)
