"""Training of dense children with a decomposition per layer: alone, and side by side with all others."""

import random
from dataclasses import replace

import pytest
import torch
from torch.nn.functional import cross_entropy

from aen.children import DenseSpec, TrainingSpec, build_child
from aen.data import DataSpec, load_dataset
from aen.groups import ALPHABETS, Decomposition
from aen.nn.stored import stored_state
from aen.training import load_child, measure, train_child, train_population
from aen.training.dense.batched_trainer import BatchedTrainer
from aen.training.dense.trainer import DenseTrainer

GROUPS = [
    *([], ["rot90"], ["rot90", "hflip"], ["hflip", "vflip"], ["swap_tb_left"], ["hshift(1/2)"]),
    ALPHABETS["quarter"],
]
DATA = DataSpec(train=150, validation=120, test=100)
SPEC = DenseSpec(data=DATA, grids=(8, 4, 4), training=TrainingSpec(epochs=2))
KINDS = [{"head": head, "bias": bias} for head in ("free", "invariant") for bias in ("orbit", "scalar_after_relu")]
kinds = pytest.mark.parametrize("kind", KINDS, ids=["-".join(kind.values()) for kind in KINDS])


def specs_of(count=7, **options):
    """Children of every group in the first layer and mostly another one in the second."""
    pairs = [(GROUPS[i], GROUPS[(3 * i + 1) % len(GROUPS)]) for i in range(count)]
    return [
        replace(SPEC, **options).with_layers([Decomposition.of(factors) for factors in pair]).with_seed(seed)
        for seed, pair in enumerate(pairs)
    ]


@pytest.fixture(scope="module")
def data():
    return load_dataset(DATA)


def without_time(evaluation):
    return replace(evaluation, seconds=0.0, weights=None)


def test_the_children_here_are_what_they_are_for():
    specs = specs_of()
    assert sum(bool(spec.layers) for spec in specs) == 6
    assert len({spec.class_key for spec in specs}) == 7


@kinds
def test_written_out_gradients_are_those_of_automatic_differentiation(kind):
    source = torch.Generator().manual_seed(0)
    x = torch.randn(9, 64, generator=source, dtype=torch.float64)
    labels = torch.randint(0, 10, (9,), generator=source)
    for spec in specs_of(**kind):
        child = build_child(spec).double()
        loss = cross_entropy(child(x), labels)
        expected = torch.cat([g.reshape(-1) for g in torch.autograd.grad(loss, list(child.parameters()))])
        engine = DenseTrainer(child, 1e-2)
        found = engine.differentiate(child.prepare(x), labels)
        torch.testing.assert_close(found, loss.detach(), rtol=1e-6, atol=1e-8)
        torch.testing.assert_close(engine.gradient, expected, rtol=1e-6, atol=1e-8)


@kinds
def test_a_population_begins_with_the_values_of_the_modules(kind):
    specs = specs_of(**kind)
    population = BatchedTrainer(specs, "cpu")
    for i, spec in enumerate(specs):
        expected, found = stored_state(build_child(spec)), population.stored_state(i)
        assert set(found) == set(expected)
        assert all(torch.equal(found[name], values) for name, values in expected.items())
        assert population.parameter_counts[i] == build_child(spec).parameter_count()


@pytest.mark.parametrize("kind", [KINDS[0], KINDS[3]], ids=["free-orbit", "invariant-scalar_after_relu"])
def test_children_trained_side_by_side_are_those_trained_alone(data, kind, tmp_path):
    specs = specs_of(**kind)
    together = train_population(specs, data, weights_folder=tmp_path / "together")
    for spec, ours in zip(specs, together, strict=True):
        alone = train_child(spec, data, weights_folder=tmp_path / "alone")
        assert (ours.key, ours.class_key, ours.parameters) == (alone.key, alone.class_key, alone.parameters)
        assert ours.validation_loss == pytest.approx(alone.validation_loss, rel=1e-4)
        assert ours.validation_accuracy == pytest.approx(alone.validation_accuracy, abs=1.5 / 120)
        states = [load_child(spec, tmp_path / name / alone.weights).state_dict() for name in ("together", "alone")]
        for name, values in states[0].items():
            torch.testing.assert_close(values, states[1][name], rtol=0, atol=1e-4)


def test_companions_and_their_order_change_no_bit(data):
    specs = specs_of()
    expected = [without_time(e) for e in train_population(specs, data, size=8)]
    for seed in range(3):
        order = random.Random(seed).sample(range(7), 5)  # noqa: S311
        found = train_population([specs[i] for i in order], data, size=8)
        assert [without_time(e) for e in found] == [expected[i] for i in order]


def test_kept_weights_are_those_that_were_measured(data, tmp_path):
    for spec in specs_of(3, head="invariant"):
        evaluation = train_child(spec, data, weights_folder=tmp_path)
        child = load_child(spec, tmp_path / evaluation.weights)
        assert measure(child, data.validation).accuracy == evaluation.validation_accuracy
        assert max(child.check_equivariance().values(), default=0) < 1e-5
