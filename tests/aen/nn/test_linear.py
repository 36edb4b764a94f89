import copy
import io
import math
import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from aen.errors import GroupError, SpecError
from aen.groups import Decomposition
from aen.nn import SymmetrizedLinear

FACTORS = ("rot90", "transpose", "hflip", "vflip", "hshift(1)", "quadrants", "swap_lr_top", "rot90 x| hflip")
GROUPS = {
    "untied": (),
    "turns": ("rot90",),
    "dihedral": ("rot90", "hflip"),
    "shifts": ("hshift(1/2)", "vshift(1/2)"),
    "swaps": ("swap_tb_left", "quadrants"),
}


def layer_of(factors, in_grid=4, out_grid=6, seed=0, **options):
    source = torch.Generator().manual_seed(seed)
    return SymmetrizedLinear(in_grid, out_grid, Decomposition.of(factors), generator=source, **options)


@given(
    factors=st.lists(st.sampled_from(FACTORS), max_size=3, unique=True),
    sides=st.tuples(st.sampled_from([2, 4, 6]), st.sampled_from([2, 4])),
)
@settings(max_examples=40, deadline=None)
def test_weight_and_bias_are_kept_by_every_generator(factors, sides):
    layer = layer_of(factors, *sides)
    weight = layer.expanded_weight().detach().numpy()
    assert weight.shape == (layer.in_features, layer.out_features) == (sides[0] ** 2, sides[1] ** 2)
    bias = layer.bias_table(layer.bias).detach().numpy()
    for g in layer.decomposition.generators:
        p, q = g.permutation(sides[0]), g.permutation(sides[1])
        assert np.array_equal(weight[np.ix_(p, q)], weight)
        assert np.array_equal(bias[q], bias)


def test_moving_the_image_moves_the_output():
    layer = layer_of(["rot90"], 3, 5).double()
    image = torch.randn(3, 3, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    turned = layer(torch.rot90(image).flatten()).reshape(5, 5)
    torch.testing.assert_close(turned, torch.rot90(layer(image.flatten()).reshape(5, 5)))
    assert not torch.allclose(turned, layer(image.flatten()).reshape(5, 5))


@pytest.mark.parametrize("group", [name for name in GROUPS if name != "untied"])
def test_check_equivariance_is_exact_up_to_rounding(group):
    layer = layer_of(GROUPS[group])
    errors = layer.check_equivariance(words=8)
    assert set(GROUPS[group]) < set(errors)
    assert max(errors.values()) < 1e-5
    assert max(layer.double().check_equivariance(words=8).values()) < 1e-12


def test_check_equivariance_of_an_untied_layer_has_nothing_to_try():
    assert layer_of(()).check_equivariance() == {}


class Broken(SymmetrizedLinear):
    """One of its expanded weights is off."""

    def expanded_weight(self):
        weight = super().expanded_weight().clone()
        weight[1, 2] += 0.1
        return weight


@pytest.mark.parametrize("factors", [["rot90"], ["hflip", "vflip"], ["hshift(1)"]])
def test_check_equivariance_finds_a_broken_layer(factors):
    layer = Broken(4, 6, Decomposition.of(factors), generator=torch.Generator().manual_seed(0))
    errors = layer.check_equivariance()
    assert all(errors[factor] > 1e-3 for factor in factors)


def test_check_equivariance_finds_a_group_that_the_layer_does_not_have():
    layer = layer_of(["hflip"])
    layer.decomposition = Decomposition.of(["rot90", "hflip"])
    errors = layer.check_equivariance(words=0)
    assert errors["rot90"] > 0.1
    assert errors["hflip"] < 1e-5


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("group", GROUPS)
def test_forward_is_a_product_with_the_expanded_weight(group, bias):
    layer = layer_of(GROUPS[group], bias=bias)
    x = torch.randn(2, 5, 16, generator=torch.Generator().manual_seed(1))
    expected = x.numpy() @ layer.expanded_weight().detach().numpy()
    if bias:
        expected = expected + layer.bias_table(layer.bias).detach().numpy()
    np.testing.assert_allclose(layer(x).detach().numpy(), expected, rtol=1e-5, atol=1e-6)


def test_untied_layer_is_an_ordinary_dense_layer():
    layer, dense = layer_of(()), torch.nn.Linear(16, 36)
    with torch.no_grad():
        dense.weight.copy_(layer.weight.view(16, 36).T)
        dense.bias.copy_(layer.bias)
    x = torch.randn(7, 16, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(layer(x), dense(x))


@pytest.mark.parametrize(
    ("factors", "initialisation", "bound"),
    [
        ((), "fan_in", 1 / 8),
        (("rot90",), "fan_in", 1 / 8),
        ((), "published", 1 / math.sqrt(8**2 * 6**2)),
        (("rot90",), "published", 1 / math.sqrt(8**2 * 6**2 / 4)),
    ],
)
def test_range_of_the_initial_values(factors, initialisation, bound):
    layer = layer_of(factors, 8, 6, initialisation=initialisation)
    weight, bias = layer.weight.detach(), layer.bias.detach()
    assert max(weight.abs().max(), bias.abs().max()) <= bound
    assert weight.max() > 0.95 * bound
    assert weight.min() < -0.95 * bound
    assert bias.abs().max() > 0.7 * bound
    assert weight.mean().abs() < 0.1 * bound


def test_initial_values_come_from_the_given_source_alone():
    before = torch.get_rng_state()
    assert torch.equal(layer_of(["rot90"], seed=1).weight, layer_of(["rot90"], seed=1).weight)
    assert not torch.equal(layer_of(["rot90"], seed=1).weight, layer_of(["rot90"], seed=2).weight)
    assert torch.equal(torch.get_rng_state(), before)


def through_state_dict(layer):
    file = io.BytesIO()
    torch.save(layer.state_dict(), file)
    file.seek(0)
    fresh = SymmetrizedLinear(layer.in_grid, layer.out_grid, layer.decomposition)
    fresh.load_state_dict(torch.load(file, weights_only=True))
    return fresh


def through_pickle(layer):
    return pickle.loads(pickle.dumps(layer))  # noqa: S301


@pytest.mark.parametrize("copied", [copy.deepcopy, through_pickle, through_state_dict])
@pytest.mark.parametrize("group", GROUPS)
def test_copies_compute_the_same_and_share_nothing(copied, group):
    layer = layer_of(GROUPS[group])
    twin = copied(layer)
    x = torch.randn(3, 16, generator=torch.Generator().manual_seed(1))
    assert torch.equal(twin(x), layer(x))
    with torch.no_grad():
        twin.weight.zero_()
        twin.bias.zero_()
    assert not twin(x).any()
    assert layer(x).any()


def test_only_free_parameters_are_saved():
    assert {name: tuple(v.shape) for name, v in layer_of(["rot90"]).state_dict().items()} == {
        "weight": (16 * 36 // 4,),
        "bias": (9,),
    }


def test_unknown_initialisation_is_refused():
    with pytest.raises(SpecError, match=r"unknown initialisation 'fanin'.*did you mean 'fan_in'"):
        layer_of(["rot90"], initialisation="fanin")


def test_factor_that_does_not_fit_a_grid_is_refused():
    with pytest.raises(GroupError, match="'swap_lr' needs an even grid, not 5x5"):
        layer_of(["swap_lr"], 4, 5)


def test_print_shows_grids_and_factors():
    assert "4x4 -> 6x6, rot90 + hflip" in repr(layer_of(["rot90", "hflip"]))
