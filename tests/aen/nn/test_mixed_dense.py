"""Symmetrised dense layers that mix decompositions, against sums of layers that are computed apart."""

import helpers.planar_cases as cases
import numpy as np
import pytest
import torch
from helpers.mixed_cases import kept, softmax, strengthen
from torch import nn

from aen.errors import SpecError
from aen.groups import Decomposition
from aen.nn import SymmetrizedLinear
from aen.nn.mixed import MixedSymmetrizedLinear
from aen.nn.stored import load_stored_state

FACTORS = [["rot90", "hflip"], ["rot90"], ["swap_lr"], []]


def dense_of(factors=FACTORS, seed=0, **options):
    return MixedSymmetrizedLinear(4, 6, [Decomposition.of(f) for f in factors], generator=cases.source(seed), **options)


@pytest.mark.parametrize("keep_norm", [False, True], ids=["", "keep_norm"])
@pytest.mark.parametrize("weighting", ["softmax", "sum"])
def test_mixed_dense_layer_is_the_sum_of_its_branches(weighting, keep_norm):
    layer = strengthen(dense_of(keep_norm=keep_norm, weighting=weighting))
    with torch.no_grad():
        layer.bias.copy_(cases.images(36))
    x = cases.images(2, 1, 16)
    p = softmax(layer.alpha.tolist()) if weighting == "softmax" else [1.0] * len(FACTORS)
    expected = layer.bias.detach().expand(2, 1, 36).clone()
    for place, factors in enumerate(FACTORS):
        branch = SymmetrizedLinear(4, 6, Decomposition.of(factors), bias=False).double()
        load_stored_state(branch, {"weight": kept(layer, place)})
        expected += p[place] * branch(x).detach()
    cases.assert_near(layer(x), expected, 1e-12)
    if weighting == "softmax":
        assert torch.autograd.gradcheck(
            lambda alpha: torch.func.functional_call(layer, {"mixture.alpha": alpha}, (x,)), (layer.alpha,)
        )


def test_mixed_dense_layer_starts_with_the_branches_own_values():
    layer, source = dense_of(), cases.source()
    for values, factors in zip(layer.mixture.values, FACTORS, strict=True):
        branch = SymmetrizedLinear(4, 6, Decomposition.of(factors), generator=source)
        assert torch.equal(values, branch.orbit_values("weight"))


@pytest.mark.parametrize("place", range(len(FACTORS)))
def test_mixed_dense_layer_is_discretised_to_its_strongest_branch(place):
    layer = strengthen(dense_of()).eval()
    with torch.no_grad():
        layer.alpha[place] = 1e3
        layer.bias.copy_(cases.images(36))
    found = layer.discretise()
    assert type(found) is SymmetrizedLinear
    assert not found.training
    assert found.decomposition == Decomposition.of(FACTORS[place])
    cases.assert_near(found.expanded_weight(), layer.expanded_weight(), 1e-12)
    assert max(found.check_equivariance().values(), default=0.0) < 1e-12
    # The bias is the mean over each orbit of cells: as it was where nothing ties them, and every cell counts once.
    assert float((found.expanded_bias().sum() - layer.bias.sum()).detach()) == pytest.approx(0, abs=1e-12)
    if not FACTORS[place]:
        cases.assert_near(found.expanded_bias(), layer.bias, 1e-15)


def test_mixed_dense_layer_is_equivariant_to_what_all_branches_share():
    layer = strengthen(dense_of([["rot90", "hflip"], ["rot90"]]))
    weight = layer.expanded_weight().detach().numpy()
    for factor, shared in (("rot90", True), ("hflip", False)):
        (generator,) = Decomposition.of([factor]).generators
        p, q = generator.permutation(4), generator.permutation(6)
        assert np.allclose(weight[np.ix_(p, q)], weight, rtol=0, atol=1e-14) == shared, factor


def test_mixed_dense_layer_s_penalty_and_messages():
    layer = dense_of(keep_norm=False, weighting="sum").double()
    names = [Decomposition.of(factors).name for factors in FACTORS]
    squares = sum(value**2 for value in layer.mixture.values[1].tolist())
    assert float(layer.penalty({names[1]: 2.0}).detach()) == pytest.approx(2 * squares, rel=1e-12)
    with pytest.raises(SpecError, match="penalty names the branch 'rot180'"):
        layer.penalty({"rot180": 1.0})
    with pytest.raises(SpecError, match="keep_norm=False"):
        dense_of().penalty({names[0]: 1.0})
    with pytest.raises(SpecError, match="name one branch or more, each once"):
        dense_of([["rot90"], ["rot90"]])
    with pytest.raises(SpecError, match="name one branch or more"):
        dense_of([])


def test_the_dense_mixture_exports_and_says_its_shape():
    layer = MixedSymmetrizedLinear(4, 2, [Decomposition.of(["rot90"]), Decomposition.of(["hflip"])])
    x = torch.randn(3, 5, 16)
    assert layer.evaluate_output_shape((3, 5, 16)) == tuple(layer(x).shape) == (3, 5, 4)
    plain = layer.export()
    assert type(plain) is nn.Linear
    assert float((plain(x) - layer(x)).abs().max().detach()) < 1e-5
    with pytest.raises(SpecError, match=r"its last dimension must be 16, the cells of a 4x4 grid"):
        layer(torch.randn(3, 15))
