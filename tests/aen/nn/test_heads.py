import math

import pytest
import torch

from aen.groups import Decomposition
from aen.nn import FreeHead, InvariantHead
from aen.nn.heads import dense_layer


def moved(x, generator, side):
    """What stands at i stands at p[i] afterwards, by plain assignment."""
    result = torch.empty_like(x)
    result[..., torch.tensor(generator.permutation(side).tolist())] = x
    return result


def images(side, n=5):
    return torch.randn(n, side * side, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.mark.parametrize("factors", [["rot90"], ["rot90", "hflip"], ["hshift(1)"], ["quadrants", "swap_lr_top"]])
def test_invariant_head_does_not_see_moves_of_the_group(factors):
    decomposition = Decomposition.of(factors)
    head = InvariantHead(4, 3, decomposition, generator=torch.Generator().manual_seed(0)).double()
    x = images(4)
    for generator in decomposition.generators:
        torch.testing.assert_close(head(moved(x, generator, 4)), head(x), rtol=1e-12, atol=1e-12)


def test_invariant_head_sees_other_moves():
    head = InvariantHead(4, 3, Decomposition.of(["hflip"]), generator=torch.Generator().manual_seed(0)).double()
    x = images(4)
    (vflip,) = Decomposition.of(["vflip"]).generators
    assert not torch.allclose(head(moved(x, vflip, 4)), head(x), atol=1e-3)


def test_invariant_head_reads_the_mean_of_each_orbit():
    # Under rot90 a 3x3 grid has three orbits: corners, edges, centre.
    head = InvariantHead(3, 2, Decomposition.of(["rot90"])).double()
    x = images(3)
    means = torch.stack([x[:, [0, 2, 6, 8]].mean(1), x[:, [1, 3, 5, 7]].mean(1), x[:, 4]], dim=1)
    assert head.linear.weight.shape == (2, 3)
    torch.testing.assert_close(head(x), means @ head.linear.weight.T + head.linear.bias)


def test_invariant_head_of_no_group_is_the_free_one():
    invariant, free = (
        make(generator=torch.Generator().manual_seed(4)).double()
        for make in (
            lambda generator: InvariantHead(4, 3, Decomposition(), generator=generator),
            lambda generator: FreeHead(4, 3, generator=generator),
        )
    )
    torch.testing.assert_close(invariant(images(4)), free(images(4)))


def test_free_head_sees_every_move():
    head = FreeHead(4, 3, generator=torch.Generator().manual_seed(0)).double()
    x = images(4)
    for generator in Decomposition.of(["rot90", "hflip", "hshift(1)"]).generators:
        assert not torch.allclose(head(moved(x, generator, 4)), head(x), atol=1e-3)


@pytest.mark.parametrize("invariant", [True, False])
def test_initial_range_is_that_of_the_inputs_and_the_global_source_is_untouched(invariant):
    before = torch.get_rng_state()
    source = torch.Generator().manual_seed(0)
    group = Decomposition.of(["rot90"])
    head = InvariantHead(8, 50, group, generator=source) if invariant else FreeHead(8, 50, generator=source)
    bound = 1 / math.sqrt(16 if invariant else 64)
    for parameter in (head.linear.weight, head.linear.bias):
        assert 0.8 * bound < float(parameter.detach().abs().max()) <= bound
    assert torch.equal(torch.get_rng_state(), before)


def test_a_dense_layer_without_a_bias_draws_the_same_weights():
    with_bias, without = (dense_layer(6, 4, torch.Generator().manual_seed(0), bias=bias) for bias in (True, False))
    assert without.bias is None
    assert torch.equal(without.weight, with_bias.weight)
