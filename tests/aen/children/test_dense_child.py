import copy
import pickle

import numpy as np
import pytest
import torch

from aen.children import DenseSpec, build_child
from aen.groups import Decomposition

GROUPS = [["rot90"], ["rot90", "hflip"], ["hflip x vflip"], ["hshift(1/4)", "vshift(1/4)"], ["quadrants"]]


def child_of(factors, **options):
    options = {"grids": (8, 4, 4), **options}
    return build_child(DenseSpec(decomposition=Decomposition.of(factors), **options))


def images(side=8, n=6):
    return torch.randn(n, 1, side, side, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def moved(x, permutation):
    flat = x.flatten(1)
    result = torch.empty_like(flat)
    result[:, torch.tensor(permutation.tolist())] = flat
    return result.reshape(x.shape)


@pytest.mark.parametrize("bias", ["orbit", "scalar_after_relu"])
@pytest.mark.parametrize("factors", GROUPS)
def test_logits_of_an_invariant_head_do_not_change_when_the_image_is_moved(factors, bias):
    child = child_of(factors, head="invariant", bias=bias).double()
    for generator in child.spec.decomposition.generators:
        turned = moved(images(), generator.permutation(8))
        torch.testing.assert_close(child(turned), child(images()), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("factors", GROUPS)
def test_logits_of_a_free_head_change(factors):
    child = child_of(factors, head="free").double()
    for generator in child.spec.decomposition.generators:
        assert (child(moved(images(), generator.permutation(8))) - child(images())).abs().max() > 1e-3


def test_invariant_head_does_not_hide_other_moves():
    child = child_of(["hflip"], head="invariant").double()
    assert (child(torch.rot90(images(), dims=(2, 3))) - child(images())).abs().max() > 1e-3


@pytest.mark.parametrize("bias", ["orbit", "scalar_after_relu"])
def test_forward_agrees_with_numpy(bias):
    child = child_of(["rot90"], head="free", bias=bias).double()
    with torch.no_grad():
        if child.scalar_bias is not None:
            child.scalar_bias.copy_(torch.tensor([0.25, -0.75]))
        x = images().flatten(1).numpy()
        for i, layer in enumerate(child.layers):
            x = x @ layer.expanded_weight().numpy()
            if bias == "orbit":
                x = np.maximum(x + layer.expanded_bias().numpy(), 0)
            else:
                x = np.maximum(x, 0) + (0.25, -0.75)[i]
        logits = x @ child.head.linear.weight.numpy().T + child.head.linear.bias.numpy()
        np.testing.assert_allclose(child(images()).numpy(), logits, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(
    ("factors", "head", "bias", "count"),
    [
        ([], "free", "orbit", 64 * 16 + 16 + 16 * 16 + 16 + 16 * 10 + 10),
        ([], "free", "scalar_after_relu", 64 * 16 + 16 * 16 + 2 + 16 * 10 + 10),
        # Quarter turns of even grids move every pair in an orbit of four.
        (["rot90"], "free", "orbit", 64 * 16 // 4 + 4 + 16 * 16 // 4 + 4 + 16 * 10 + 10),
        (["rot90"], "invariant", "scalar_after_relu", 64 * 16 // 4 + 16 * 16 // 4 + 2 + 4 * 10 + 10),
    ],
)
def test_parameter_count(factors, head, bias, count):
    assert child_of(factors, head=head, bias=bias).parameter_count() == count


def test_published_child_has_scalar_biases_that_start_at_zero():
    child = child_of([], bias="scalar_after_relu")
    assert child.scalar_bias.tolist() == [0, 0]
    assert all(layer.bias is None for layer in child.layers)


@pytest.mark.parametrize("factors", GROUPS)
def test_features_are_equivariant(factors):
    child = child_of(factors)
    assert max(child.check_equivariance().values()) < 1e-5
    errors = child.double().check_equivariance(words=4)
    assert max(errors.values()) < 1e-12
    assert {g.name for g in child.spec.decomposition.generators} < set(errors)


def test_check_equivariance_finds_a_broken_child():
    child = child_of(["rot90"])
    child.layers[1] = child_of([]).layers[1]
    assert child.check_equivariance()["rot90"] > 1e-2


def test_seed_draws_the_initial_weights_and_nothing_else_does():
    before = torch.get_rng_state()
    one, same, other = (child_of(["rot90"], seed=seed).state_dict() for seed in (3, 3, 4))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not any(torch.equal(one[name], other[name]) for name in one)
    assert torch.equal(torch.get_rng_state(), before)


def test_initialisation_reaches_every_layer():
    child = child_of(["rot90"], initialisation="published")
    for layer in child.layers:
        bound = layer.weight.numel() ** -0.5
        assert 0.9 * bound < layer.weight.detach().abs().max() <= bound


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda child: pickle.loads(pickle.dumps(child))])  # noqa: S301
def test_copies_compute_the_same(copied):
    child = child_of(["rot90", "hflip"])
    twin = copied(child)
    assert twin.spec == child.spec
    assert torch.equal(twin(images().float()), child(images().float()))
