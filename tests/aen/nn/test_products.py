"""Every product against the dense matrix that it stands for: ``x @ W`` with W expanded from the orbits' labels."""

import numpy as np
import pytest
import torch
from helpers import tied_layers
from hypothesis import given, settings
from hypothesis import strategies as st

from aen.groups import Generator, cells_of
from aen.nn import OrbitTable
from aen.nn.involutions import Move
from aen.nn.products import ExpandedProduct, MergedProduct, SpectralProduct, SplitProduct, multiply

BATCH = 3


def numbers(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def dense(orbits, by_orbit, cells_out):
    return by_orbit[torch.from_numpy(orbits.labels.astype(np.int64))].view(-1, cells_out)


def close(found, expected):
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


def check(choice, orbits, cells_out):
    """Everything that a layer and the training engine ask of a product."""
    product, table = choice.product.double(), OrbitTable(choice.runs, choice.run)
    cells_in = len(product.in_order)
    assert sorted(product.in_order.tolist()) == list(range(cells_in))
    assert sorted(product.out_order.tolist()) == list(range(cells_out))
    assert len(product.slots) % product.width == 0
    assert set(orbits.labels[product.slots].tolist()) == set(range(orbits.count))

    by_orbit = numbers(orbits.count).requires_grad_()
    x = numbers(BATCH, cells_in, seed=1).requires_grad_()
    upstream = numbers(BATCH, cells_out, seed=2)
    y = x @ dense(orbits, by_orbit, cells_out)
    d_by_orbit, d_x = torch.autograd.grad(y, (by_orbit, x), upstream)
    d_output = upstream.t()[product.out_order]

    with torch.no_grad():
        # The parameters in the product's order reach its slots.
        values = table.expand(by_orbit[torch.from_numpy(choice.order)])
        assert torch.equal(values, by_orbit[orbits.labels[product.slots].astype(np.int64)])

        rows, features = product.rows(x), product.encode(x.t()[product.in_order])
        close(rows.t(), features)
        for given_features in (rows.t(), features):  # the first is not contiguous
            output, saved = product(values, given_features)
            close(output, y.t()[product.out_order])
            d_values, d_features = product.gradient(saved, d_output, features=True)
            close(table.sums(d_values), d_by_orbit[choice.order])
            close(product.encode_gradient(d_features), d_x.t()[product.in_order])

        d_values_alone, nothing = product.gradient(saved, d_output, features=False)
        assert nothing is None
        close(d_values_alone, d_values)
        room = torch.full((len(values) + 2,), 9.0, dtype=torch.float64)
        d_values_there, _ = product.gradient(saved, d_output, features=False, out=room[1:-1])
        close(room[1:-1], d_values)
        assert d_values_there.data_ptr() == room[1:].data_ptr()
        assert room[0] == room[-1] == 9

        h, f = numbers(cells_in, 2, seed=3), numbers(features.shape[0], 2, seed=4)
        close((product.encode(h) * f).sum(), (h * product.encode_gradient(f)).sum())


@given(layer=tied_layers.tied_layers())
@settings(max_examples=60)
def test_every_product_computes_the_dense_layer_and_its_gradients(layer):
    decomposition, in_side, out_side = layer
    orbits = tied_layers.layer_orbits(decomposition.generators, in_side, out_side)
    for choice in tied_layers.choices_for(orbits, in_side, out_side):
        check(choice, orbits, cells_of(out_side))


@pytest.mark.parametrize(("case", "n"), tied_layers.CASE_PRODUCTS)
def test_products_of_the_table_compute_the_dense_layer_and_its_gradients(case, n):
    orbits, (_, in_side, out_side) = tied_layers.orbits_of(case), tied_layers.CASES[case]
    check(tied_layers.choices_for(orbits, in_side, out_side)[n], orbits, cells_of(out_side))


def test_the_table_has_every_kind_of_product_and_of_layout():
    choices = [
        (case, choice)
        for case, (_, *sides) in tied_layers.CASES.items()
        for choice in tied_layers.choices_for(tied_layers.orbits_of(case), *sides)
    ]
    kinds = {type(choice.product) for _, choice in choices}
    assert kinds == {ExpandedProduct, MergedProduct, SpectralProduct, SplitProduct}
    tied = {choice.runs.count < len(choice.runs.labels) for _, choice in choices}
    assert tied == {True, False}
    # Long runs of slots that are still tied, by representatives in another order than the smallest first.
    (turned,) = [choice for case, choice in choices if case == "turns" and choice.run >= 16]
    plain = SpectralProduct(turned.product.involutions)
    assert turned.runs.count < len(turned.runs.labels)
    assert not np.array_equal(turned.product.out_order, plain.out_order)


@pytest.mark.parametrize(
    ("case", "n"), [(case, n) for case, n in tied_layers.CASE_PRODUCTS if case not in {"turns", "partial swap"}]
)
def test_gradients_agree_with_finite_differences(case, n):
    orbits, (_, *sides) = tied_layers.orbits_of(case), tied_layers.CASES[case]
    product = tied_layers.choices_for(orbits, *sides)[n].product.double()
    # Any values and features will do, not only those that a group and an image give.
    values, features = numbers(len(product.slots)), product.encode(numbers(cells_of(sides[0]), 2, seed=1))
    assert torch.autograd.gradcheck(
        lambda v, z: multiply(product, v, z), (values.requires_grad_(), features.requires_grad_()), fast_mode=True
    )


@pytest.mark.parametrize(("case", "n"), tied_layers.CASE_PRODUCTS)
@pytest.mark.parametrize("batch", [0, 1])
def test_batches_of_none_and_of_one(case, n, batch):
    orbits, (_, in_side, out_side) = tied_layers.orbits_of(case), tied_layers.CASES[case]
    product = tied_layers.choices_for(orbits, in_side, out_side)[n].product.double()
    rows = product.rows(numbers(batch, cells_of(in_side)))
    output, saved = product(numbers(len(product.slots)), rows.t())
    assert output.shape == (cells_of(out_side), batch)
    d_values, d_features = product.gradient(saved, output, features=True)
    assert d_values.shape == product.slots.shape
    assert product.encode_gradient(d_features).shape == (cells_of(in_side), batch)
    if batch == 0:
        assert not d_values.any()


@pytest.mark.parametrize("case", ["odd turns", "odd flip", "half shifts", "one cell"])
def test_second_derivatives_agree_with_finite_differences(case):
    orbits, (_, *sides) = tied_layers.orbits_of(case), tied_layers.CASES[case]
    for choice in tied_layers.choices_for(orbits, *sides):
        product = choice.product.double()
        values, features = numbers(len(product.slots)), product.encode(numbers(cells_of(sides[0]), 2, seed=1))
        assert torch.autograd.gradgradcheck(
            lambda v, z, product=product: multiply(product, v, z),
            (values.requires_grad_(), features.requires_grad_()),
            fast_mode=True,
        )


@given(st.data())
@settings(max_examples=30)
def test_merged_product_of_any_groups(data):
    """Inputs and outputs that share rows and columns in any manner, not only as grids have them."""
    groups = []
    for _ in range(2):
        labels = np.array(data.draw(st.lists(st.integers(0, 3), min_size=1, max_size=7)))
        groups.append(np.unique(labels, return_inverse=True)[1].reshape(-1))
    product = MergedProduct(*groups).double()
    small = numbers(groups[0].max() + 1, groups[1].max() + 1)
    matrix = small[groups[0]][:, groups[1]]
    x = numbers(BATCH, len(groups[0]), seed=1)
    values = matrix.reshape(-1)[product.slots]
    assert len(values) == small.numel()
    close(product(values, product.rows(x).t())[0].t(), x @ matrix)


def involution(name, sides):
    return Move(*(Generator.parse(name).permutation(side) for side in sides))


def test_multiplications_are_what_the_group_saves():
    sides = (4, 8)
    whole = 16 * 64
    flips = [involution(name, sides) for name in ("hflip", "vflip", "swap_lr")]
    assert ExpandedProduct(16, 64).multiplications == whole
    assert [SpectralProduct(flips[:n]).multiplications for n in (1, 2, 3)] == [whole // 2, whole // 4, whole // 8]
    # Of 4x4 cells 6 pairs and 4 on the diagonal, of 8x8 28 and 8.
    assert SplitProduct(involution("transpose", sides)).multiplications == 10 * 36 + 6 * 28
    assert MergedProduct(np.arange(16) // 4, np.arange(64) // 8).multiplications == 4 * 8


@pytest.mark.parametrize(("case", "n"), tied_layers.CASE_PRODUCTS)
def test_tables_are_not_saved_and_there_are_no_parameters(case, n):
    orbits, (_, *sides) = tied_layers.orbits_of(case), tied_layers.CASES[case]
    product = tied_layers.choices_for(orbits, *sides)[n].product
    assert product.state_dict() == {}
    assert list(product.parameters()) == []
