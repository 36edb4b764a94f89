"""The engine's gradients and steps against automatic differentiation of the dense child, and torch's Adam."""

import copy
import itertools

import pytest
import torch
from helpers import tied_layers
from torch.nn.functional import cross_entropy

from aen.children import DenseSpec, build_child
from aen.groups import Decomposition
from aen.training.dense.trainer import DenseTrainer

GROUPS = {
    "none": [],
    "turns": ["rot90"],
    "dihedral": ["rot90", "hflip"],
    "flips": ["hflip", "vflip"],
    "swaps": ["swap_tb_left", "quadrants"],
    "partial swap": ["swap_tb_left"],
    "shift": ["hshift(1/2)"],
}
SIDE = 8


def child_of(factors, grids=(SIDE, 4, 6), **options):
    return build_child(DenseSpec(decomposition=Decomposition.of(factors), grids=grids, classes=5, **options))


@pytest.fixture(params=["chosen", "second", "last", "mixed"])
def products(request, monkeypatch):
    """Which products compute the layers: small ones would all be expanded."""
    if request.param == "mixed":
        by_sides = {(SIDE, 4): 99, (4, 6): 0, (6, 4): 1}
        monkeypatch.setattr(
            "aen.nn.linear.choose_product",
            lambda orbits, *sides: tied_layers.nth_choice(by_sides[sides])(orbits, *sides),
        )
    elif request.param != "chosen":
        n = {"second": 1, "last": 99}[request.param]
        monkeypatch.setattr("aen.nn.linear.choose_product", tied_layers.nth_choice(n))
    return request.param


def batch_of(n, side=SIDE, seed=0, dtype=torch.float32):
    source = torch.Generator().manual_seed(seed)
    return torch.randn(n, side * side, generator=source, dtype=dtype), torch.randint(0, 5, (n,), generator=source)


def dense_logits(child, x):
    """The child as plain matrix products, from the expanded weights of its layers."""
    for i, layer in enumerate(child.layers):
        x = torch.relu(x @ layer.expanded_weight() + layer.expanded_bias())
        if child.scalar_bias is not None:
            x = x + child.scalar_bias[i]
    return child.head(x)


def flat_gradient(child):
    return torch.cat([parameter.grad.reshape(-1) for parameter in child.parameters()])


def off_zero(child):
    """Scalar biases start at zero; elsewhere their gradient says more."""
    if child.scalar_bias is not None:
        with torch.no_grad():
            child.scalar_bias.copy_(torch.linspace(-0.3, 0.2, len(child.scalar_bias)))
    return child


HEADS_AND_BIASES = list(itertools.product(("free", "invariant"), ("orbit", "scalar_after_relu")))


@pytest.mark.parametrize(
    ("group", "head", "bias"),
    # Of each group half of them, in turns.
    [(group, *HEADS_AND_BIASES[n]) for number, group in enumerate(GROUPS) for n in ((0, 3), (1, 2))[number % 2]],
)
@pytest.mark.usefixtures("products")
def test_gradient_is_that_of_automatic_differentiation(group, head, bias):
    child = off_zero(child_of(GROUPS[group], (SIDE, 4, 6, 4), head=head, bias=bias).double())
    twin = copy.deepcopy(child)
    engine = DenseTrainer(child, 1e-2)
    for n in (1, 7):
        x, labels = batch_of(n, dtype=torch.float64)
        twin.zero_grad()
        expected = cross_entropy(dense_logits(twin, x), labels)
        expected.backward()
        loss = engine.differentiate(child.prepare(x), labels)
        torch.testing.assert_close(loss, expected.detach(), rtol=1e-11, atol=1e-11)
        torch.testing.assert_close(engine.gradient, flat_gradient(twin), rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("bias", ["orbit", "scalar_after_relu"])
@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.usefixtures("products")
def test_the_child_computes_what_its_expanded_weights_say(group, bias):
    child = off_zero(child_of(GROUPS[group], (SIDE, 4, 6, 4), bias=bias).double())
    x, _ = batch_of(4, dtype=torch.float64)
    torch.testing.assert_close(child(x), dense_logits(child, x), rtol=1e-11, atol=1e-11)
    torch.testing.assert_close(child.forward_prepared(child.prepare(x)), child(x), rtol=0, atol=0)
    assert child(x[:0]).shape == (0, 5)


def test_mixed_products_reorder_the_cells_between_layers(products):
    child = child_of(["hflip", "vflip"], (SIDE, 4, 6, 4))
    kinds = [type(layer.product).__name__ for layer in child.layers]
    reordered = [child.moves(i) is not None for i in range(3)]
    if products == "mixed":
        assert len(set(kinds)) > 1
    assert any(reordered) == (products != "chosen")
    for i in range(3):
        if child.moves(i) is not None:
            assert torch.equal(child.moves(i)[child.moves(i, back=True)], torch.arange(len(child.moves(i))))


@pytest.mark.parametrize("group", ["none", "flips", "turns"])
@pytest.mark.usefixtures("products")
def test_steps_are_those_of_torch_s_adam(group):
    child = child_of(GROUPS[group])
    twin = copy.deepcopy(child)
    engine, optimiser = DenseTrainer(child, 3e-3), torch.optim.Adam(twin.parameters(), lr=3e-3, fused=True)
    for step in range(4):
        x, labels = batch_of(9, seed=step)
        engine.step(child.prepare(x), labels)
        # The same gradient for both: Adam divides by its size, so that its rounding would show.
        for parameter, gradient in zip(
            twin.parameters(), torch.split(engine.gradient, [p.numel() for p in twin.parameters()]), strict=True
        ):
            parameter.grad = gradient.view(parameter.shape).clone()
        optimiser.step()
    for (name, found), expected in zip(child.named_parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6, msg=lambda m, name=name: f"{name}: {m}")


@pytest.mark.parametrize("head", ["free", "invariant"])
@pytest.mark.usefixtures("products")
def test_one_step_is_that_of_automatic_differentiation_and_adam(head):
    child = child_of(["hflip", "vflip"], head=head)
    twin = copy.deepcopy(child)
    x, labels = batch_of(32)
    loss = DenseTrainer(child, 1e-2).step(child.prepare(x), labels)
    expected = cross_entropy(dense_logits(twin, x), labels)
    expected.backward()
    torch.optim.Adam(twin.parameters(), lr=1e-2, fused=True).step()
    torch.testing.assert_close(loss, expected.detach(), rtol=1e-5, atol=1e-6)
    # Adam's first step is as long as the learning rate, but where the gradient is near zero.
    clear = flat_gradient(twin).abs() > 1e-5
    assert clear.double().mean() > 0.9
    found, wanted = (torch.cat([p.detach().reshape(-1) for p in c.parameters()]) for c in (child, twin))
    torch.testing.assert_close(found[clear], wanted[clear], rtol=1e-5, atol=1e-6)


@pytest.mark.usefixtures("products")
def test_what_is_trained_is_the_child_itself():
    child = child_of(["hflip", "vflip"])
    before = {name: values.clone() for name, values in child.state_dict().items()}
    parameters, engine = list(child.parameters()), DenseTrainer(child, 1e-2)
    assert [id(p) for p in child.parameters()] == [id(p) for p in parameters]
    assert engine.parameters.numel() == child.parameter_count()
    assert all(torch.equal(child.state_dict()[name], values) for name, values in before.items())
    x, labels = batch_of(40)
    rows = child.prepare(x)
    losses = [float(engine.step(rows, labels)) for _ in range(30)]
    assert losses[-1] < losses[0] / 2
    after = child.state_dict()
    assert list(after) == list(before)
    assert not any(torch.equal(after[name], values) for name, values in before.items())
    # The loss of the next step is that of the child as it is now, and of another that has its saved weights.
    twin = child_of(["hflip", "vflip"], seed=5)
    twin.load_state_dict(after)
    expected = cross_entropy(child(x), labels).detach()
    torch.testing.assert_close(cross_entropy(twin(x), labels).detach(), expected)
    torch.testing.assert_close(engine.step(rows, labels), expected)


@pytest.mark.usefixtures("products")
def test_training_twice_gives_the_same_bits():
    found = []
    for _ in range(2):
        child = child_of(["rot90", "hflip"])
        engine = DenseTrainer(child, 1e-2)
        x, labels = batch_of(21)
        rows = child.prepare(x)
        # Batches of 8, 8 and 5, then of one, three times.
        parts = 3 * [*torch.split(torch.arange(21), 8), torch.tensor([3])]
        losses = [engine.step(rows[part], labels[part]) for part in parts]
        found.append((engine.parameters, torch.stack(losses)))
    for one, other in zip(*found, strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("head", ["free", "invariant"])
@pytest.mark.usefixtures("products")
def test_a_batch_s_gradient_is_the_mean_of_its_images(head):
    child = child_of(["hflip"], head=head).double()
    engine = DenseTrainer(child, 1e-2)
    x, labels = batch_of(5, dtype=torch.float64)
    rows = child.prepare(x)
    whole_loss, whole = engine.differentiate(rows, labels), engine.gradient.clone()
    losses, gradients = [], []
    for i in range(5):
        losses.append(engine.differentiate(rows[i : i + 1], labels[i : i + 1]))
        gradients.append(engine.gradient.clone())
    torch.testing.assert_close(torch.stack(losses).mean(), whole_loss)
    torch.testing.assert_close(torch.stack(gradients).mean(dim=0), whole)


def test_differentiating_changes_no_parameter():
    child = child_of(["hflip"])
    engine = DenseTrainer(child, 1e-2)
    before = engine.parameters.clone()
    engine.differentiate(*batch_of(3))
    assert torch.equal(engine.parameters, before)
    assert engine.gradient.any()


def test_two_engines_do_not_share_anything():
    one, other = child_of(["hflip"]), child_of(["hflip"])
    engine = DenseTrainer(one, 1e-2)
    DenseTrainer(other, 1e-2)
    before = [p.clone() for p in other.parameters()]
    x, labels = batch_of(3)
    engine.step(one.prepare(x), labels)
    assert all(torch.equal(p, b) for p, b in zip(other.parameters(), before, strict=True))
