"""Steps of alpha: their gradient, and that they and the weights' steps leave each other alone."""

import copy
from contextlib import nullcontext
from dataclasses import replace

import helpers.planar_cases as cases
import pytest
import torch
from torch.nn.functional import cross_entropy

from aen.children import EquiNASSpec, TrainingSpec, build_child
from aen.errors import SpecError
from aen.training import load_child, train_child
from aen.training.architecture import ArchitectureSteps, weights_alone
from aen.training.autograd import fit
from aen.training.batches import BatchStream
from aen.training.recalibration import recalibrate

SGD = TrainingSpec(epochs=1, batch_size=12, learning_rate=0.05, optimiser="sgd")
SPEC = EquiNASSpec(
    side=8,
    width=1,
    kernel_size=3,
    dense=8,
    classes=3,
    mixed=("C1", "C4", "D4"),
    skip=True,
    alpha_learning_rate=0.05,
    training=SGD,
)
# The order of alpha's batches is drawn from the seed and this.
OTHER = 0x5EED


@pytest.fixture(scope="module")
def split(data_of):
    return data_of(SPEC, 12).train


def one_step(spec):
    """The same training, of one batch."""
    return replace(spec, training=replace(spec.training, epochs=0.01))


def steps_of(child, spec, count=12):
    return ArchitectureSteps(child.architecture(), child, spec, count, torch.device("cpu"))


def taken_gradients(steps):
    """The gradients of the only step that Adam has made: its mean of them is a tenth of the first."""
    return [steps.optimiser.state[alpha]["exp_avg"] / 0.1 for alpha in steps.parameters]


def spread(child):
    """Let alpha differ from 0, where its gradient is often symmetric."""
    with torch.no_grad():
        for number, alpha in enumerate(child.alphas()):
            alpha.copy_(0.3 * cases.images(len(alpha), seed=number))
    return child


OTHERWISE = {"keep_norm": False, "skip": False, "temperature": 0.5}


@pytest.mark.parametrize(
    ("training", "changes"),
    [
        (True, {}),
        (False, OTHERWISE),
        pytest.param(False, {}, marks=pytest.mark.slow),
        pytest.param(True, OTHERWISE, marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_gradient_is_that_of_finite_differences(training, changes, split):
    spec = replace(SPEC, **changes)
    child = spread(build_child(spec)).double()
    rows, labels = split.images.double(), split.labels
    recalibrate(child, rows, len(rows))  # with the statistics of the start signals would die out
    child.train(training)

    def loss():
        return float(cross_entropy(child(rows), labels))

    # So small that no ReLU has its kink in between; rounding is then 1e-8 of the loss.
    h, expected = 1e-8, []
    with torch.no_grad():
        for alpha in child.alphas():
            found = torch.zeros_like(alpha)
            for place in range(len(alpha)):
                start = float(alpha[place])
                ends = []
                for moved in (start + h, start - h):
                    alpha[place] = moved
                    ends.append(loss())
                alpha[place] = start
                found[place] = (ends[0] - ends[1]) / (2 * h)
            expected.append(found)
    steps = steps_of(child, spec)
    with weights_alone(child.architecture()):
        steps.step(rows, labels, 0, nullcontext())
    found = taken_gradients(steps)
    # The loss itself is taken in float32.
    cases.assert_near(torch.cat(found), torch.cat(expected), 1e-5)
    assert torch.cat(expected).abs().min() > 1e-7


def test_weights_do_not_move_in_a_step_of_alpha(split):
    child = spread(build_child(SPEC)).train()
    weights = {name: p.detach().clone() for name, p in child.named_parameters() if not name.endswith("alpha")}
    alphas = [alpha.detach().clone() for alpha in child.alphas()]
    for parameter in child.parameters():
        parameter.grad = torch.ones_like(parameter)  # of a step of the weights, which must stay, and not be added to
    steps = steps_of(child, SPEC)
    with weights_alone(child.architecture()):
        assert not any(alpha.requires_grad for alpha in child.alphas())
        steps.step(split.images, split.labels, 0, nullcontext())
        assert not any(alpha.requires_grad for alpha in child.alphas())
    assert all(parameter.requires_grad for parameter in child.parameters())
    for name, parameter in child.named_parameters():
        if name in weights:
            assert torch.equal(parameter, weights[name])
            assert torch.equal(parameter.grad, torch.ones_like(parameter))
    for before, after in zip(alphas, child.alphas(), strict=True):
        assert not torch.equal(before, after)
        assert after.grad is None
        # Adam's first step is of one size, whatever the gradient is.
        assert (before - after).abs().max() <= 0.05 * (1 + 1e-4)


def test_alpha_stays_without_a_learning_rate(split):
    spec = one_step(replace(SPEC, alpha_learning_rate=0.0))
    child = spread(build_child(spec))
    before = [alpha.detach().clone() for alpha in child.alphas()]
    fitted = fit(child, spec, split.images, split.labels)
    assert all(torch.equal(one, other) for one, other in zip(before, child.alphas(), strict=True))
    assert not any(name.endswith("alpha") for name in fitted.progress.optimiser)
    assert all(alpha.grad is None for alpha in child.alphas())
    # And the first step of the weights does not depend on whether alpha is trained after it.
    other = spread(build_child(one_step(SPEC)))
    fit(other, one_step(SPEC), split.images, split.labels)
    assert not any(torch.equal(one, two) for one, two in zip(before, other.alphas(), strict=True))
    for (name, ours), theirs in zip(child.named_parameters(), other.parameters(), strict=True):
        assert name.endswith("alpha") or torch.equal(ours, theirs), name


@pytest.mark.parametrize("steps", [1, 3])
def test_weights_and_alpha_are_stepped_in_turns_each_on_its_own_batch(steps, split):
    """Algorithm 2 of EquiNAS, written out."""
    size = 5
    spec = replace(SPEC, training=replace(SGD, batch_size=size, momentum=0.9, epochs=steps / 3))
    # In double precision, save for the loss: Adam's step is as long for a small gradient as for a large one.
    child, images = spread(build_child(spec)).double(), split.images.double()
    twin = copy.deepcopy(child).train()
    alphas = twin.alphas()
    weights = [p for p in twin.parameters() if all(p is not alpha for alpha in alphas)]
    orders = [BatchStream(torch.arange(12), size, seed) for seed in (spec.seed, spec.seed + OTHER)]
    batches = [[batch for _, some in order.epochs(0, steps) for batch in some] for order in orders]
    assert not any(torch.equal(one, other) for one, other in zip(*batches, strict=True))
    moments = [torch.zeros_like(weight) for weight in weights]
    means, squares = ([torch.zeros_like(alpha) for alpha in alphas] for _ in range(2))

    def gradients(batch, of):
        return torch.autograd.grad(cross_entropy(twin(images[batch]), split.labels[batch]), of)

    for number, (ours, theirs) in enumerate(zip(*batches, strict=True), start=1):
        found = gradients(ours, weights)
        with torch.no_grad():
            for weight, moment, gradient in zip(weights, moments, found, strict=True):
                moment.mul_(0.9).add_(gradient)
                weight.sub_(0.05 * moment)
        found = gradients(theirs, alphas)
        with torch.no_grad():
            for alpha, mean, square, gradient in zip(alphas, means, squares, found, strict=True):
                mean.mul_(0.9).add_(0.1 * gradient)
                square.mul_(0.999).add_(0.001 * gradient**2)
                step = (mean / (1 - 0.9**number)) / ((square / (1 - 0.999**number)).sqrt() + 1e-8)
                alpha.sub_(0.05 * step)
    fitted = fit(child, spec, images, split.labels)
    for (name, one), other in zip(child.named_parameters(), twin.parameters(), strict=True):
        cases.assert_near(one, other, 1e-4 if steps > 1 else 1e-5)
        if name.endswith("alpha"):
            kept = fitted.progress.optimiser[name]
            assert float(kept["step"]) == steps
    for mean, layer in zip(means, child.mixed_layers(), strict=True):
        name = next(name for name, p in child.named_parameters() if p is layer.alpha)
        cases.assert_near(fitted.progress.optimiser[name]["exp_avg"], mean, 1e-3 if steps > 1 else 1e-5)


def noise_at(split, places):
    images = split.images.clone()
    images[places] = cases.images(len(places), 1, 8, 8, seed=77, dtype=torch.float32)
    return images


def test_halves_are_apart_and_whole(split):
    spec = replace(SPEC, alpha_data="halves")
    child = build_child(spec)
    for count in (2, 11, 12):
        steps = steps_of(child, spec, count)
        ours, theirs = steps.weight_places.tolist(), steps._stream.places.tolist()
        assert sorted(ours + theirs) == list(range(count))
        assert len(ours) == count // 2
    assert torch.equal(steps_of(child, spec).weight_places, steps_of(child, spec).weight_places)
    assert not torch.equal(steps_of(child, spec).weight_places, steps_of(child, spec.with_seed(1)).weight_places)
    with pytest.raises(SpecError, match="training images are 1; two halves need at least 2"):
        fit(child, spec, split.images[:1], split.labels[:1])
    assert steps_of(build_child(SPEC), SPEC).weight_places.tolist() == list(range(12))


def test_with_halves_weights_never_see_the_images_of_alpha(split):
    spec = replace(SPEC, alpha_data="halves", training=replace(SGD, batch_size=3))
    ours = steps_of(build_child(spec), spec).weight_places
    theirs = torch.tensor([place for place in range(12) if place not in set(ours.tolist())])
    ends = {}
    for name, places in (("as they are", None), ("weights", ours), ("alpha", theirs)):
        images = split.images if places is None else noise_at(split, places)
        child = build_child(one_step(spec))
        fit(child, one_step(spec), images, split.labels)
        ends[name] = child
    for name, start in ends["as they are"].named_parameters():
        after = {other: ends[other].get_parameter(name) for other in ("weights", "alpha")}
        if name.endswith("alpha"):
            assert not torch.equal(after["alpha"], start)
        else:
            assert torch.equal(after["alpha"], start), name
    weight = "layers.layers.0.mixture.values.0"
    assert not torch.equal(ends["weights"].get_parameter(weight), ends["as they are"].get_parameter(weight))


def test_with_halves_weights_never_see_them_however_long(split):
    # A rate so small that alpha, which does see them, tells the weights nothing.
    spec = replace(SPEC, alpha_data="halves", alpha_learning_rate=1e-30, training=replace(SGD, batch_size=3, epochs=3))
    ours = steps_of(build_child(spec), spec).weight_places
    theirs = torch.tensor([place for place in range(12) if place not in set(ours.tolist())])
    ends = []
    for images in (split.images, noise_at(split, theirs)):
        child = build_child(spec)
        fit(child, spec, images, split.labels)
        ends.append({name: p for name, p in child.named_parameters() if not name.endswith("alpha")})
    assert all(torch.equal(value, ends[1][name]) for name, value in ends[0].items())


def test_prior_and_temperature(data_of, tmp_path):
    spec = one_step(replace(SPEC, prior=True, temperature=0.5, alpha_learning_rate=0.0))
    child = build_child(spec)
    assert [alpha.tolist() for alpha in child.alphas()] == [[0.0] + [-2.0] * (len(a) - 1) for a in child.alphas()]
    found = train_child(spec, data_of(spec, 12), weights_folder=tmp_path)
    assert found.record["temperature"] == 0.5
    assert found.record["alphas"] == [alpha.tolist() for alpha in child.alphas()]
    for alpha, shares in zip(found.record["alphas"], found.record["shares"], strict=True):
        cases.assert_near(shares, torch.softmax(torch.tensor(alpha).double() / 0.5, dim=0), 1e-6)
    loaded = load_child(spec, tmp_path / found.weights)
    assert loaded.record() == found.record
    assert replace(spec, temperature=1.0).key != spec.key


def test_the_record_is_of_the_trained_child(data_of, tmp_path):
    found = train_child(SPEC, data_of(SPEC, 24), weights_folder=tmp_path)
    child = load_child(SPEC, tmp_path / found.weights)
    assert found.record["alphas"] == [alpha.tolist() for alpha in child.alphas()]
    assert all(any(alpha) for alpha in found.record["alphas"])
    assert [len(shares) for shares in found.record["shares"]] == [len(alpha) for alpha in child.alphas()]
    assert all(sum(shares) == pytest.approx(1, abs=1e-6) for shares in found.record["shares"])


def penalised(penalty, **changes):
    return replace(SPEC, mixed=("C1", "D4"), skip=False, weighting="sum", keep_norm=False, penalty=penalty, **changes)


def test_the_penalty_is_in_the_gradient_of_the_small_groups_branch_alone(split):
    rate, factor, ends = 0.05, 0.5, []
    start = build_child(penalised(0.0))
    for penalty in (0.0, factor):
        spec = one_step(penalised(penalty))
        child = build_child(spec)
        fit(child, spec, split.images, split.labels)
        ends.append(dict(child.named_parameters()))
    small = {name for name in ends[0] if name.endswith("mixture.values.1")}
    assert len(small) == 9
    assert start.spec.mixed == ("D4", "C1")
    for name, plain in ends[0].items():
        if name in small:
            # d |W|^2 is 2 W.
            expected = plain - rate * factor * 2 * start.get_parameter(name)
            cases.assert_near(ends[1][name], expected, 1e-5)
        else:
            assert torch.equal(ends[1][name], plain), name
    child = build_child(penalised(factor))
    whole = sum(float(p.detach().double().square().sum()) for n, p in child.named_parameters() if n in small)
    assert float(child.penalty().detach()) == pytest.approx(factor * whole, rel=1e-5)
    assert start.penalty() is None
    assert child.architecture() is None


def test_the_penalty_is_no_part_of_the_loss_that_is_reported(data_of):
    slow = replace(SGD, learning_rate=1e-12)
    small, large = (train_child(one_step(penalised(factor, training=slow)), data_of(SPEC)) for factor in (0.0, 9.0))
    assert large.train_loss == pytest.approx(small.train_loss, rel=1e-4)


def test_a_penalty_makes_a_child_that_is_nearer_to_its_base(data_of):
    training = replace(SGD, epochs=4, batch_size=6)
    distances = []
    for penalty in (0.0, 2.0):
        found = train_child(penalised(penalty, training=training), data_of(SPEC))
        assert "alphas" not in found.record
        distances.append(found.record["distance_to_base"])
    assert all(held < free for free, held in zip(*distances, strict=True)), distances


def gradients_of_step(spec, number, split):
    """The gradients of alpha in one step, the `number`-th of a training, on the first batch."""
    child = spread(build_child(spec)).train()
    steps = steps_of(child, spec)
    with weights_alone(child.architecture()):
        steps.step(split.images, split.labels, number, nullcontext())
    return taken_gradients(steps)


def test_a_permuted_gradient_has_the_same_values_in_another_order(split):
    # A batch is the whole data here, so that every step has the same images.
    permuted = replace(SPEC, alpha_gradient="permuted")
    own, found, again, later = (
        gradients_of_step(spec, number, split)
        for spec, number in ((SPEC, 0), (permuted, 0), (permuted, 0), (permuted, 1))
    )
    for a, b in zip(own, found, strict=True):
        cases.assert_near(a.sort().values, b.sort().values, 1e-4)
    assert any((a - b).abs().max() > 1e-3 * a.abs().max() for a, b in zip(own, found, strict=True))
    assert all(torch.equal(a, b) for a, b in zip(found, again, strict=True))
    orders = [[row.argsort().tolist() for row in rows] for rows in (found, later)]
    assert orders[0] != orders[1]  # each step has its own permutations


def test_a_given_alpha_that_is_not_trained_stays(data_of):
    alpha = tuple(tuple(0.5 * (place == 1) for place in range(count)) for count in SPEC.branches)
    spec = replace(SPEC, alpha=alpha, alpha_learning_rate=0)
    record = train_child(spec, data_of(spec, 12)).record
    assert record["alphas"] == [list(own) for own in alpha]


@pytest.mark.parametrize("gradient", ["own", "permuted"])
def test_a_permuted_gradient_does_not_depend_on_slices(gradient, data_of, tmp_path):
    whole = replace(SPEC, alpha_gradient=gradient, training=replace(SGD, epochs=2, batch_size=4))
    data = data_of(whole, 12)
    first = replace(whole, training=replace(whole.training, epochs=1))
    second = replace(first, parent=first.key)
    for spec in (whole, first, second):
        train_child(spec, data, weights_folder=tmp_path, parents_folder=tmp_path)
    alphas = [load_child(spec, tmp_path / f"{spec.key}.safetensors").alphas() for spec in (whole, second)]
    assert all(torch.equal(a, b) for a, b in zip(*alphas, strict=True))
