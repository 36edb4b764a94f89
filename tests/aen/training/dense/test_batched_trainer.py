"""Children trained side by side: each the same as alone, and in no way touched by its companions."""

import copy
import random
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from aen.children import DenseSpec, TrainingSpec, build_child
from aen.data import DataSpec, load_dataset
from aen.errors import SpecError
from aen.groups import ALPHABETS, Decomposition
from aen.nn.stored import load_stored_state, stored_state
from aen.training import load_child, measure, population_bytes, train_child, train_population
from aen.training.dense.batched_trainer import BatchedTrainer, evaluation_chunk
from aen.training.dense.parameter_layout import ParameterLayout
from aen.training.dense.trainer import DenseTrainer

GROUPS = {
    "none": [],
    "turns": ["rot90"],
    "dihedral": ["rot90", "hflip"],
    "flips": ["hflip", "vflip"],
    "partial swap": ["swap_tb_left"],
    "half shift": ["hshift(1/2)"],
    "all twelve": ALPHABETS["quarter"],
}
DATA = DataSpec(train=150, validation=120, test=100)
SPEC = DenseSpec(data=DATA, grids=(8, 4, 4), training=TrainingSpec(epochs=2))
KINDS = [
    {"head": head, "bias": bias, "initialisation": initialisation}
    for head in ("free", "invariant")
    for bias in ("orbit", "scalar_after_relu")
    for initialisation in ("fan_in", "published")
]
kinds = pytest.mark.parametrize("kind", KINDS, ids=["-".join(kind.values()) for kind in KINDS])
# Once begun, training knows nothing of how values were drawn: every head with every bias is enough.
begun = pytest.mark.parametrize("kind", KINDS[::2], ids=["-".join(kind.values()) for kind in KINDS[::2]])


def specs_of(groups=tuple(GROUPS), spec=SPEC, **options):
    return [
        replace(spec, decomposition=Decomposition.of(GROUPS[group]), seed=seed, **options)
        for seed, group in enumerate(groups)
    ]


@pytest.fixture(scope="module")
def data():
    return load_dataset(DATA)


def batches_of(spec, split, count):
    """The first batches of a child: those of `train_child`."""
    source, found = torch.Generator().manual_seed(spec.seed), []
    while len(found) < count:
        order = torch.randperm(len(split.labels), generator=source)
        found += torch.split(order, spec.training.batch_size)
    return found[:count]


def stepped(specs, split, count):
    """A population after some steps."""
    population = BatchedTrainer(specs, "cpu")
    images = split.images.flatten(1)
    for batches in zip(*(batches_of(spec, split, count) for spec in specs), strict=True):
        batch = torch.stack(batches)
        population.step(images[batch], split.labels[batch])
    return population


def stepped_alone(spec, split, count):
    child = build_child(spec)
    engine, rows = DenseTrainer(child, spec.training.learning_rate), child.prepare(split.images)
    for batch in batches_of(spec, split, count):
        engine.step(rows[batch], split.labels[batch])
    return child


def flat(state):
    return torch.cat([state[name].reshape(-1) for name in sorted(state)])


def without_time(evaluation):
    return replace(evaluation, seconds=0.0, weights=None)


@kinds
def test_children_begin_with_the_values_of_their_modules(kind):
    specs = specs_of(**kind)
    population = BatchedTrainer(specs, "cpu")
    for i, spec in enumerate(specs):
        expected, found = stored_state(build_child(spec)), population.stored_state(i)
        assert set(found) == set(expected)
        assert all(torch.equal(found[name], values) for name, values in expected.items())
        assert population.parameter_counts[i] == build_child(spec).parameter_count()


@begun
def test_gradient_is_that_of_automatic_differentiation(kind):
    specs = specs_of(**kind)
    population = BatchedTrainer(specs, "cpu")
    source = torch.Generator().manual_seed(0)
    # Scalar biases begin at zero, where their gradient says little. The orbits' means stay rounded to single precision.
    noise = torch.empty_like(population.parameters).uniform_(-0.1, 0.1, generator=source)
    population.parameters = (population.parameters + noise).double()
    population._gradient = population._gradient.double()
    if population._pooling is not None:
        population._pooling = population._pooling.double()
    children = [build_child(spec).double() for spec in specs]
    for i, child in enumerate(children):
        load_stored_state(child, population.stored_state(i))
    for n in (1, 7, 16):
        images = torch.randn(len(specs), n, 64, generator=source, dtype=torch.float64)
        labels = torch.randint(0, 10, (len(specs), n), generator=source)
        losses = population.differentiate(images, labels)
        sums = population._orbit_sums(population._gradient)
        gradients = torch.split(sums[: sum(population.parameter_counts)], population.parameter_counts)
        for i, spec in enumerate(specs):
            child = children[i]
            child.zero_grad()
            loss = cross_entropy(child(images[i]), labels[i])
            loss.backward()
            assert torch.allclose(losses[i], loss.detach(), rtol=1e-6, atol=1e-8)
            found = population._layouts[i].stored_state(gradients[i])
            for name, values in gradients_of(child).items():
                torch.testing.assert_close(
                    found[name],
                    values,
                    rtol=1e-6,
                    atol=1e-8,
                    msg=lambda m, s=spec, k=name: f"{s.decomposition} {k} {m}",
                )


def gradients_of(child):
    """The gradients under the names and in the order of files."""
    twin = copy.deepcopy(child)
    with torch.no_grad():
        for mine, theirs in zip(twin.parameters(), child.parameters(), strict=True):
            mine.copy_(theirs.grad)
    return stored_state(twin)


@begun
def test_twenty_steps_are_those_of_each_child_alone(data, kind):
    specs = specs_of(**kind)
    population = stepped(specs, data.train, 20)
    for i, spec in enumerate(specs):
        expected = stored_state(stepped_alone(spec, data.train, 20))
        for name, values in population.stored_state(i).items():
            assert float((values - expected[name]).abs().max()) < 1e-4, (spec.decomposition.name, name)
        before = build_child(spec).state_dict()
        assert (
            float((population.stored_state(i)["head.linear.weight"] - before["head.linear.weight"]).abs().max()) > 1e-2
        )


def test_accuracies_are_those_of_children_trained_alone():
    spec = DenseSpec(grids=(8, 8), training=TrainingSpec(epochs=6))
    specs = specs_of([*GROUPS, *GROUPS][:10], spec)
    data = load_dataset(spec.data)
    together = train_population(specs, data)
    alone = [train_child(spec, data) for spec in specs]
    means = [np.mean([e.validation_accuracy for e in evaluations]) for evaluations in (together, alone)]
    assert means[0] > 0.6
    assert abs(means[0] - means[1]) < 0.002
    assert [e.parameters for e in together] == [e.parameters for e in alone]
    for one, other in zip(together, alone, strict=True):
        assert (one.key, one.class_key, one.seed, one.epochs, one.device, one.threads, one.status) == (
            *(other.key, other.class_key, other.seed, other.epochs, other.device, other.threads, other.status),
        )
        assert one.validation_loss == pytest.approx(other.validation_loss, rel=0.02)


def test_the_same_population_twice_gives_the_same_bits(data, tmp_path):
    found = []
    for name in ("one", "other"):
        evaluations = train_population(specs_of(), data, weights_folder=tmp_path / name)
        found.append([(without_time(e), (tmp_path / name / e.weights).read_bytes()) for e in evaluations])
    assert found[0] == found[1]


@pytest.mark.parametrize("size", [2, 3, 5, 8])
@pytest.mark.parametrize("grids", [(8, 4, 4), (8, 16), (8, 3), (8, 5, 7)], ids=str)
@pytest.mark.parametrize("head", ["free", "invariant"])
def test_companions_and_their_order_change_no_bit(data, grids, size, head):
    groups = [group for group in GROUPS if all(side % 4 == 0 for side in grids) or group in list(GROUPS)[:4]]
    draw, known, met = random.Random(size), {}, 0  # noqa: S311
    for _ in range(4):
        specs = [
            replace(SPEC, grids=grids, head=head, decomposition=Decomposition.of(GROUPS[group]), seed=draw.randrange(2))
            for group in draw.choices(groups, k=size)
        ]
        # The last batch of an epoch has 22 images; then, on purpose, batches of one and of three.
        population = stepped(specs, data.train, 4)
        for n in (1, 3):
            batch = torch.arange(n).expand(size, -1)
            population.step(data.train.images.flatten(1)[batch], data.train.labels[batch])
        for i, (spec, measured) in enumerate(zip(specs, population.measure(data.validation), strict=True)):
            found = flat(population.stored_state(i)), measured
            expected = known.setdefault(spec, found)
            met += expected is not found
            assert torch.equal(found[0], expected[0]), (i, spec.decomposition.name)
            assert found[1] == expected[1]
    assert met


def test_a_padded_population_gives_what_a_full_one_gives(data):
    specs = specs_of()
    full = [without_time(e) for e in train_population(specs, data, size=8)]
    for some in (specs[:1], specs[2:5], specs[:0:-1]):
        found = train_population(some, data, size=8)
        assert [without_time(e) for e in found] == [full[specs.index(spec)] for spec in some]


def test_the_invariant_head_has_its_orbits_means(data):
    specs = specs_of(head="invariant")
    population = BatchedTrainer(specs, "cpu")
    for spec, measured in zip(specs, population.measure(data.validation), strict=True):
        expected = measure(build_child(spec), data.validation)
        assert measured.accuracy == pytest.approx(expected.accuracy, abs=1.5 / 120)
        assert measured.loss == pytest.approx(expected.loss, rel=1e-5)


@pytest.mark.parametrize("size", [1, 7, 100])
def test_every_image_is_measured_once(data, size, monkeypatch):
    monkeypatch.setattr("aen.training.dense.batched_trainer.EVALUATION_BATCH", 64 * size)
    assert evaluation_chunk(size) == 64  # so that 120 images are two chunks, the last not full
    (found, *others) = BatchedTrainer([SPEC] * size, "cpu").measure(data.validation)
    expected = measure(build_child(SPEC), data.validation)
    assert found.loss == pytest.approx(expected.loss, rel=1e-5)
    assert found.accuracy == pytest.approx(expected.accuracy, abs=1.5 / 120)
    assert all(other == found for other in others)


@pytest.mark.parametrize("broken", [0, 2, 6])
def test_a_child_that_diverges_touches_no_other(data, monkeypatch, broken, tmp_path):
    specs = specs_of()
    expected = train_population(specs, data)
    drawn = ParameterLayout.initial_values

    def spoilt(layout):
        return drawn(layout) * (float("inf") if layout.spec == specs[broken] else 1.0)

    monkeypatch.setattr(ParameterLayout, "initial_values", spoilt)
    found = train_population(specs, data, weights_folder=tmp_path)
    for i, (one, other) in enumerate(zip(found, expected, strict=True)):
        if i == broken:
            assert (one.status, one.validation_accuracy, one.train_loss, one.weights) == ("diverged", 0.0, 0.0, None)
        else:
            assert without_time(one) == without_time(other)
    assert len(list(tmp_path.iterdir())) == len(specs) - 1


def test_a_population_may_diverge_as_a_whole(data, tmp_path):
    spec = replace(SPEC, training=TrainingSpec(epochs=3, learning_rate=1e38))
    found = train_population(specs_of(spec=spec), data, weights_folder=tmp_path)
    assert {e.status for e in found} == {train_child(spec, data).status} == {"diverged"}
    assert {(e.train_accuracy, e.validation_accuracy, e.validation_loss, e.weights) for e in found} == {(0, 0, 0, None)}
    assert not list(tmp_path.iterdir())


@begun
def test_kept_weights_are_those_that_were_measured(data, tmp_path, kind):
    specs = specs_of(["turns", "none", "all twelve"], **kind)
    for spec, evaluation in zip(specs, train_population(specs, data, size=4, weights_folder=tmp_path), strict=True):
        child = load_child(spec, tmp_path / evaluation.weights)
        found = measure(child, data.validation)
        assert found.accuracy == pytest.approx(evaluation.validation_accuracy, abs=1.5 / 120)
        assert found.loss == pytest.approx(evaluation.validation_loss, rel=1e-5)
        assert max(child.check_equivariance().values(), default=0) < 1e-5
    assert len(list(tmp_path.iterdir())) == 3


def test_weights_are_kept_only_when_asked_for(data):
    assert [e.weights for e in train_population(specs_of(["none", "turns"]), data)] == [None, None]


@pytest.mark.parametrize(
    ("specs", "size", "message"),
    [
        ([], None, "specs has 0 children; a population of size 0 takes"),
        ([], 4, "specs has 0 children; a population of size 4 takes 1 to 4"),
        ([SPEC] * 3, 2, "specs has 3 children; a population of size 2 takes 1 to 2"),
        ([SPEC, replace(SPEC, head="free")], None, "differ in decomposition and seed only"),
        ([SPEC, replace(SPEC, grids=(8, 4))], None, "differ in decomposition and seed only"),
        ([SPEC, replace(SPEC, training=TrainingSpec(epochs=3))], None, "differ in decomposition and seed only"),
        ([replace(SPEC, grids=(4, 4))], 2, "grids start at 4, but the images are 8x8"),
        ([replace(SPEC, classes=9)], 2, "classes is 9, but the data set has 10"),
    ],
)
def test_children_that_cannot_be_trained_together_are_refused(data, specs, size, message):
    with pytest.raises(SpecError, match=message):
        train_population(specs, data, size=size)


def test_what_goes_together_differs_in_decomposition_and_seed():
    keys = {spec.population_key for spec in specs_of()}
    assert keys == {SPEC}
    assert replace(SPEC, bias="scalar_after_relu").population_key not in keys


def test_global_random_state_and_thread_count_are_left_alone(data):
    threads, before = torch.get_num_threads(), torch.get_rng_state().tolist()
    train_population(specs_of(["none", "turns"]), data, threads=threads + 1)
    assert torch.get_rng_state().tolist() == before
    assert torch.get_num_threads() == threads


def tensors_of(value):
    if isinstance(value, torch.Tensor):
        return [value] if value._base is None else []  # views hold nothing
    return [t for item in value for t in tensors_of(item)] if isinstance(value, list | tuple) else []


@pytest.mark.parametrize("head", ["free", "invariant"])
@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("size", [1, 4, 16])
def test_memory_is_predicted(group, size, head):
    spec = replace(SPEC, grids=(8, 16, 16), head=head, decomposition=Decomposition.of(GROUPS[group]))
    population = BatchedTrainer([spec.with_seed(seed) for seed in range(size)], "cpu")
    held = sum(t.numel() * t.element_size() for value in vars(population).values() for t in tensors_of(value))
    assert held < population_bytes(spec, size) < 20 * held + 2**26


def test_more_children_larger_grids_and_batches_need_more_memory():
    sizes = [population_bytes(SPEC, 2**n) for n in range(12)]
    assert sizes == sorted(sizes)
    assert sizes[-1] > 20 * sizes[0]
    for change in ({"grids": (8, 4, 5)}, {"grids": (8, 4, 4, 4)}, {"training": TrainingSpec(batch_size=10_000)}):
        assert population_bytes(replace(SPEC, **change), 8) > population_bytes(SPEC, 8)
