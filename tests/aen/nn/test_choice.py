import numpy as np
import pytest
import torch
from helpers import tied_layers
from hypothesis import given, settings
from hypothesis import strategies as st

from aen.groups import Alphabet, Decomposition, Orbits, enumerate_classes, layer_orbits, mask_to_bits
from aen.nn import OrbitTable, SymmetrizedLinear
from aen.nn.choice import LONG_RUN, Choice, _equal_rows, choice_of, choose_product, products_for
from aen.nn.products import ExpandedProduct, MergedProduct, SpectralProduct, SplitProduct

SIDES = (8, 8)


@pytest.fixture(scope="module")
def table():
    return enumerate_classes(Alphabet.of("quarter"), SIDES)


def orbits_of(factors, *sides):
    return layer_orbits(Decomposition.of(factors).generators, *sides)


def assert_same_choice(one, other):
    assert type(one.product) is type(other.product)
    assert one.run == other.run
    for name in ("slots", "in_order", "out_order"):
        assert np.array_equal(getattr(one.product, name), getattr(other.product, name))
    assert np.array_equal(one.order, other.order)
    assert np.array_equal(one.runs.labels, other.runs.labels)


@given(layer=tied_layers.tied_layers(), stage=st.sampled_from([0.0, 300.0, 3000.0, 60_000.0]))
@settings(max_examples=60)
def test_the_least_estimate_is_chosen(layer, stage):
    decomposition, *sides = layer
    orbits = layer_orbits(decomposition.generators, *sides)
    with pytest.MonkeyPatch.context() as patch:
        # Small layers are as near to each other as large ones where a further stage costs less.
        patch.setattr("aen.nn.choice._PER_STAGE", stage)
        chosen = choose_product(orbits, *sides)
        choices = tied_layers.choices_for(orbits, *sides)
        assert chosen.nanoseconds == min(choice.nanoseconds for choice in choices)
        # Among equal estimates, too, always the same.
        assert_same_choice(chosen, choose_product(orbits, *sides))


@pytest.mark.parametrize(
    ("factors", "kind"),
    [(["hflip"], SpectralProduct), (["hflip", "vflip"], SpectralProduct), (["swap_tb_left"], SplitProduct)],
)
def test_a_large_layer_is_spared_most_of_the_matrix(factors, kind):
    orbits = orbits_of(factors, 16, 16)
    chosen = choose_product(orbits, 16, 16)
    assert chosen.nanoseconds == min(choice.nanoseconds for choice in tied_layers.choices_for(orbits, 16, 16))
    assert type(chosen.product) is kind
    assert chosen.nanoseconds < choice_of(ExpandedProduct(256, 256), orbits, 16, 16).nanoseconds


@pytest.mark.parametrize("sides", [(2, 3), (8, 8)])
def test_an_untied_layer_is_expanded_and_gathers_nothing(sides):
    orbits = layer_orbits((), *sides)
    (only,) = products_for(orbits, *sides)
    assert type(only) is ExpandedProduct
    chosen = choose_product(orbits, *sides)
    assert type(chosen.product) is ExpandedProduct
    assert not OrbitTable(chosen.runs, chosen.run).tied
    assert chosen.order.tolist() == list(range(orbits.count))


def test_a_single_free_involution_leaves_nothing_to_gather():
    choice = choose_product(orbits_of(["vflip"], 16, 16), 16, 16)
    assert choice.runs.count == len(choice.runs.labels)
    assert choice.nanoseconds < choice_of(ExpandedProduct(256, 256), orbits_of(["vflip"], 16, 16), 16, 16).nanoseconds


def test_quarter_turns_are_copied_in_long_runs():
    choice = choose_product(orbits_of(["rot90"], 16, 16), 16, 16)
    assert type(choice.product) is SpectralProduct
    assert choice.run >= LONG_RUN
    assert choice.runs.count < len(choice.runs.labels)


def test_gathering_costs_less_in_long_runs_and_nothing_where_nothing_is_tied():
    product, order = ExpandedProduct(8, 32), np.arange(256)

    def nanoseconds(run, *, tied):
        n = 256 // run
        runs = Orbits(np.arange(n, dtype=np.int32) // 2, n // 2) if tied else Orbits.discrete(n)
        return Choice(product, run, order, runs).nanoseconds

    free, long, single = nanoseconds(1, tied=False), nanoseconds(LONG_RUN, tied=True), nanoseconds(1, tied=True)
    assert free < long < single
    assert nanoseconds(LONG_RUN - 8, tied=True) == single


def test_what_is_offered():
    def kinds(factors, *sides):
        return [type(product) for product in products_for(orbits_of(factors, *sides), *sides)]

    assert kinds(["hflip", "vflip"], 4, 4) == [ExpandedProduct, SpectralProduct, SpectralProduct]
    assert kinds(["hflip"], 5, 4) == [ExpandedProduct, SplitProduct]
    # Shifts of 3 and of 5 columns together move each column of one grid past each of the other.
    assert kinds(["hshift(1)"], 3, 5)[:2] == [ExpandedProduct, MergedProduct]
    assert kinds(["hshift(1)"], 4, 4) == [ExpandedProduct, SpectralProduct]


@given(state=st.integers(1, 2**12 - 1))
@settings(max_examples=25)
def test_a_choice_does_not_depend_on_which_state_of_a_class_names_the_orbits(state, table):
    named = table.alphabet.decomposition(mask_to_bits(state, 12))
    representative = table.decomposition(table.classes[table.class_of_state[state]])
    orbits = [layer_orbits(decomposition.generators, *SIDES) for decomposition in (named, representative)]
    for one, other in zip(*(tied_layers.choices_for(each, *SIDES) for each in orbits), strict=True):
        assert_same_choice(one, other)
    assert_same_choice(*(choose_product(each, *SIDES) for each in orbits))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (["rot90", "hflip"], ["transpose", "vflip"]),
        (["hflip", "vflip"], ["vflip", "rot180"]),
        (["swap_tb_left", "swap_tb_right"], ["swap_tb", "swap_tb_right"]),
        (["hshift(1/4)"], ["hshift(1/4)", "hshift(1/2)"]),
    ],
)
def test_layers_of_one_class_give_the_same_result_bit_for_bit(one, other):
    x = torch.randn(5, 256, generator=torch.Generator().manual_seed(0))
    outputs, gradients = [], []
    for factors in (one, other):
        layer = SymmetrizedLinear(16, 16, Decomposition.of(factors), generator=torch.Generator().manual_seed(1))
        outputs.append(layer(x))
        outputs[-1].square().sum().backward()
        gradients.append(layer.weight.grad)
    assert torch.equal(*outputs)
    assert torch.equal(*gradients)


def test_equal_rows_are_numbered_by_their_first():
    rows = np.array([[5, 5], [1, 2], [5, 5], [0, 9], [1, 2]], dtype=np.int32)
    assert _equal_rows(rows).tolist() == [0, 1, 0, 2, 1]


def test_different_rows_with_one_hash_are_told_apart():
    # The hash of a row is its product with fixed random numbers; the first two rows have the same.
    a, b = np.random.default_rng(0).integers(1, 2**31, size=2).tolist()
    rows = np.array([[b, 0], [0, a], [b, 0], [7, 7]])
    assert rows[0] @ [a, b] == rows[1] @ [a, b]
    assert _equal_rows(rows).tolist() == [0, 1, 0, 2]
