import copy
import io
import math
import pickle

import numpy as np
import pytest
import torch
from helpers import tied_layers
from hypothesis import given, settings
from hypothesis import strategies as st

from aen.errors import GroupError, SpecError
from aen.groups import Decomposition
from aen.nn import SymmetrizedLinear, load_stored_state, stored_state

FACTORS = ("rot90", "transpose", "hflip", "vflip", "hshift(1)", "quadrants", "swap_lr_top", "rot90 x| hflip")
GROUPS = {
    "untied": (),
    "turns": ("rot90",),
    "dihedral": ("rot90", "hflip"),
    "shifts": ("hshift(1/2)", "vshift(1/2)"),
    "swaps": ("swap_tb_left", "quadrants"),
}
every_product = pytest.mark.parametrize(("case", "n"), tied_layers.CASE_PRODUCTS)


def layer_of(factors, in_grid=4, out_grid=6, seed=0, **options):
    source = torch.Generator().manual_seed(seed)
    return SymmetrizedLinear(in_grid, out_grid, Decomposition.of(factors), generator=source, **options)


@given(
    factors=st.lists(st.sampled_from(FACTORS), max_size=3, unique=True),
    sides=st.tuples(st.sampled_from([2, 4, 6]), st.sampled_from([2, 4])),
)
@settings(max_examples=40)
def test_weight_and_bias_are_kept_by_every_generator(factors, sides):
    layer = layer_of(factors, *sides)
    weight = layer.expanded_weight().detach().numpy()
    assert weight.shape == (layer.in_features, layer.out_features) == (sides[0] ** 2, sides[1] ** 2)
    bias = layer.expanded_bias().detach().numpy()
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
    """One of its weights is off: from input cell 1 to output cell 2."""

    def forward(self, x):
        y = super().forward(x).clone()
        y[..., 2] += 0.1 * x[..., 1]
        return y


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
        expected = expected + layer.expanded_bias().detach().numpy()
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


def forced(monkeypatch, case, n, seed=0, **options):
    """The layer of a case, computed by its n-th product."""
    factors, in_grid, out_grid = tied_layers.CASES[case]
    with monkeypatch.context() as patch:
        patch.setattr("aen.nn.linear.choose_product", tied_layers.nth_choice(n))
        return layer_of(factors, in_grid, out_grid, seed, **options)


def inputs_of(layer, n=4):
    return torch.randn(n, layer.in_features, generator=torch.Generator().manual_seed(7))


@every_product
@pytest.mark.parametrize("initialisation", ["fan_in", "published"])
def test_a_seed_means_the_same_layer_whatever_computes_it(monkeypatch, case, n, initialisation):
    plain = forced(monkeypatch, case, 0, initialisation=initialisation)
    layer = forced(monkeypatch, case, n, initialisation=initialisation)
    assert list(layer.state_dict()) == ["weight", "bias"]
    for name, values in stored_state(plain).items():
        assert torch.equal(stored_state(layer)[name], values)
        assert torch.equal(layer.orbit_values(name), values)
    assert torch.equal(layer.expanded_weight(), plain.expanded_weight())
    assert torch.equal(layer.expanded_bias(), plain.expanded_bias())
    torch.testing.assert_close(layer(inputs_of(layer)), plain(inputs_of(layer)))


@every_product
def test_saved_values_stand_in_the_order_of_the_orbits(monkeypatch, case, n):
    layer = forced(monkeypatch, case, n)
    labels = tied_layers.orbits_of(case).labels
    values = stored_state(layer)["weight"].numpy()
    assert np.array_equal(layer.expanded_weight().detach().numpy().reshape(-1), values[labels])


@every_product
@pytest.mark.parametrize("bias", [True, False])
def test_every_product_multiplies_with_the_expanded_weight(monkeypatch, case, n, bias):
    layer = forced(monkeypatch, case, n, bias=bias).double()
    x = inputs_of(layer).double().reshape(2, 2, -1)
    weight = layer.expanded_weight().detach().numpy()
    expected = x.numpy() @ weight + (layer.expanded_bias().detach().numpy() if bias else 0)
    np.testing.assert_allclose(layer(x).detach().numpy(), expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(layer(x[0, 1]).detach().numpy(), expected[0, 1], rtol=1e-12, atol=1e-12)
    assert layer(x[:0]).shape == (0, 2, layer.out_features)
    assert layer.expanded_bias().shape == (layer.out_features,)


@every_product
def test_gradients_of_every_product_are_those_of_the_expanded_weight(monkeypatch, case, n):
    layer = forced(monkeypatch, case, n).double()
    x = inputs_of(layer).double().requires_grad_()
    variables = (layer.weight, layer.bias, x)
    found = torch.autograd.grad(layer(x).sin().sum(), variables)
    expected = torch.autograd.grad((x @ layer.expanded_weight() + layer.expanded_bias()).sin().sum(), variables)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-11, atol=1e-11)


@every_product
def test_every_product_is_equivariant(monkeypatch, case, n):
    errors = forced(monkeypatch, case, n).double().check_equivariance(words=4)
    assert max(errors.values(), default=0) < 1e-12


@every_product
@pytest.mark.parametrize("other", [0, 99])
def test_weights_saved_with_one_product_load_into_another(monkeypatch, case, n, other):
    layer = forced(monkeypatch, case, n)
    saved = stored_state(layer)
    before = {name: values.clone() for name, values in saved.items()}
    twin = forced(monkeypatch, case, other, seed=1)
    load_stored_state(twin, saved)
    for name, values in before.items():
        assert torch.equal(saved[name], values)  # what is loaded is not changed
        assert torch.equal(stored_state(twin)[name], values)
    torch.testing.assert_close(twin(inputs_of(layer)), layer(inputs_of(layer)))


@every_product
@pytest.mark.parametrize("copied", [copy.deepcopy, through_pickle])
def test_copies_keep_the_order_of_the_parameters(monkeypatch, case, n, copied):
    layer = forced(monkeypatch, case, n)
    twin = copied(layer)
    for name, values in layer.state_dict().items():
        assert torch.equal(twin.state_dict()[name], values)
    assert torch.equal(twin(inputs_of(layer)), layer(inputs_of(layer)))
    other = forced(monkeypatch, case, 0, seed=1)
    x, expected = inputs_of(layer), stored_state(layer)
    del layer  # the copy stands alone
    load_stored_state(twin, stored_state(other))
    torch.testing.assert_close(twin(x), other(x))
    load_stored_state(twin, expected)
    assert all(torch.equal(stored_state(twin)[name], values) for name, values in expected.items())


def test_an_optimiser_finds_the_parameters_in_the_product_s_order(monkeypatch):
    """The parameter is the tensor that the product reads; only what is stored is reordered."""
    layer = forced(monkeypatch, "flips", 2)
    order = layer.orders["weight"]
    assert not torch.equal(order, torch.arange(len(order)))
    assert torch.equal(stored_state(layer)["weight"][order], layer.weight)
    assert layer.state_dict()["weight"].data_ptr() == layer.weight.data_ptr()


@pytest.mark.parametrize(("name", "size"), [("weight", 5), ("bias", 99)])
def test_a_wrong_shape_gives_torch_s_own_error(monkeypatch, name, size):
    layer = forced(monkeypatch, "flips", 2)
    with pytest.raises(RuntimeError, match=f"size mismatch for {name}"):
        layer.load_state_dict(layer.state_dict() | {name: torch.zeros(size)})
    with pytest.raises(RuntimeError, match=f"size mismatch for {name}"):
        load_stored_state(layer, stored_state(layer) | {name: torch.zeros(size)})


def test_missing_and_superfluous_values_give_torch_s_own_error(monkeypatch):
    layer = forced(monkeypatch, "flips", 2)
    with pytest.raises(RuntimeError, match="Missing key"):
        layer.load_state_dict({"weight": layer.state_dict()["weight"]})
    with pytest.raises(RuntimeError, match="Unexpected key"):
        layer.load_state_dict(layer.state_dict() | {"more": torch.zeros(1)})


def test_layers_inside_a_module_save_and_load_in_the_order_of_the_orbits(monkeypatch):
    model, twin = (
        torch.nn.ModuleDict({"a": forced(monkeypatch, "flips", n, seed), "b": forced(monkeypatch, "turns", n, seed)})
        for n, seed in ((9, 0), (0, 1))
    )
    load_stored_state(twin, stored_state(model))
    for name, layer in model.items():
        assert torch.equal(twin[name].expanded_weight(), layer.expanded_weight())
        torch.testing.assert_close(twin[name](inputs_of(layer)), layer(inputs_of(layer)))


def test_wrong_number_of_features_is_refused():
    with pytest.raises(SpecError, match=r"x has shape \(2, 4, 4\); its last dimension must be 16"):
        layer_of(["rot90"])(torch.zeros(2, 4, 4))


def test_a_saved_state_of_another_product_is_refused(monkeypatch):
    layer, twin = (torch.nn.Sequential(forced(monkeypatch, "flips", n)) for n in (2, 0))
    with pytest.raises(RuntimeError, match=r"0\.weight and 0\.bias are .*another product.*save aen\.nn\.stored_state"):
        twin.load_state_dict(layer.state_dict())
    twin.load_state_dict({name: values.clone() for name, values in twin.state_dict().items()})  # nothing is known of it


def test_a_state_saved_by_an_earlier_version_is_in_the_order_of_the_orbits(monkeypatch):
    model = torch.nn.Sequential(forced(monkeypatch, "flips", 2))
    old = model.state_dict()
    old.update(stored_state(model))
    old._metadata["0"] = {"version": 1}
    file = io.BytesIO()
    torch.save(old, file)
    file.seek(0)
    twin = torch.nn.Sequential(forced(monkeypatch, "flips", 2, seed=1))
    twin.load_state_dict(torch.load(file, weights_only=True))
    assert all(torch.equal(one, other) for one, other in zip(twin.parameters(), model.parameters(), strict=True))
    old["0.weight"] = torch.zeros(5)
    with pytest.raises(RuntimeError, match=r"size mismatch for 0\.weight"):
        twin.load_state_dict(old)
