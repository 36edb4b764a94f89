import json
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aen.errors import GroupError
from aen.groups import Decomposition, Factor, Generator, layer_orbits

NAMES = ("rot90", "rot180", "transpose", "hflip", "vflip", "hshift(1)", "vshift(1/4)", "quadrants", "swap_lr_top")


def cycle(points, degree):
    table = list(range(degree))
    for here, there in zip(points, [*points[1:], points[0]], strict=True):
        table[here] = there
    return table


@st.composite
def factor_texts(draw):
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=4))
    signs = draw(st.lists(st.sampled_from(["x", "x|"]), min_size=len(names) - 1, max_size=len(names) - 1))
    return names[0] + "".join(f" {sign} {name}" for sign, name in zip(signs, names[1:], strict=True))


@given(text=factor_texts())
@settings(max_examples=40)
def test_text_json_and_pickle_round_trips(text):
    factor = Factor.parse(text)
    assert factor.name == str(factor) == text
    assert Factor.parse(factor.name) == factor
    assert Factor.from_json(json.loads(json.dumps(factor.to_json()))) == factor
    assert pickle.loads(pickle.dumps(factor)) == factor  # noqa: S301


@given(table=st.permutations(range(4)), text=st.sampled_from(["mine", "mine x hflip", "rot90 x| mine"]))
@settings(max_examples=20)
def test_json_carries_the_tables_of_user_made_generators(table, text):
    mine = Generator.from_permutations("mine", [table])
    decomposition = Decomposition.of(["vflip", text], {"mine": mine})
    assert mine in decomposition.generators
    assert Decomposition.from_json(json.loads(json.dumps(decomposition.to_json()))) == decomposition


@pytest.mark.parametrize(
    "text", ["hflip x vflip", "rot90 x| hflip", "rot180 x transpose", "hflip x vflip x| transpose"]
)
def test_true_products_are_accepted(text):
    Factor.parse(text).check(6)


def test_shifts_along_both_axes_form_a_direct_product():
    Factor.parse("hshift(1) x vshift(1/3)").check(6)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rot90 x hflip", "hflip does not commute .*write 'x|'"),
        ("hflip x vflip x transpose", "transpose does not commute"),
        ("hflip x| rot90", "rot90 does not normalise .*put the normal subgroup on the left"),
        ("rot180 x| rot90", "a power of rot90 is already in the group"),
        ("rot90 x rot180", "a power of rot180 is already in the group"),
        ("hflip x hflip", "a power of hflip is already in the group"),
        ("hflip x vflip x rot180", "a power of rot180 is already in the group"),
    ],
)
def test_product_of_the_wrong_kind_is_refused(text, message):
    with pytest.raises(GroupError, match=message):
        Factor.parse(text).check(4)


def test_product_may_be_direct_on_one_grid_only():
    # On 2x2 a shift by half the side is the flip; on 4x4 it is another move.
    factor = Factor.parse("hshift(1/2) x hflip")
    factor.check(4)
    with pytest.raises(GroupError, match="on 2x2: a power of hflip is already in the group"):
        factor.check(2)


def test_product_too_large_to_check_is_refused():
    blocks = {"a": list(range(101)), "b": list(range(101, 201)), "c": [201, 202]}
    custom = {name: Generator.from_permutations(name, [cycle(points, 225)]) for name, points in blocks.items()}
    Factor.parse("a x c", custom).check(15)
    with pytest.raises(GroupError, match="more than 10000 elements left of c"):
        Factor.parse("a x b x c", custom).check(15)


@pytest.mark.parametrize("text", ["hflip x", "x hflip", "hflip vflip", "hflip y vflip", "hflip x x| vflip", ""])
def test_misplaced_sign_is_refused(text):
    with pytest.raises(GroupError, match="unknown generator"):
        Factor.parse(text)


@pytest.mark.parametrize(
    ("product", "flat"),
    [
        ("rot90 x| hflip", ["rot90", "hflip"]),
        ("hflip x vflip x| transpose", ["hflip", "vflip", "transpose"]),
        ("hshift(1/2) x vshift(1/2)", ["vshift(1/2)", "hshift(1/2)"]),
    ],
)
def test_product_ties_what_its_generators_tie(product, flat, pair_orbits):
    together, apart = Decomposition.of([product]), Decomposition.of(flat)
    assert len(together.factors) == 1
    got = layer_orbits(together.generators, 4, 6).labels
    assert np.array_equal(got, layer_orbits(apart.generators, 4, 6).labels)
    actions = [(g.permutation(4).tolist(), g.permutation(6).tolist()) for g in apart.generators]
    assert got.tolist() == pair_orbits(actions, 16, 36)


def test_generators_of_a_decomposition_come_once_and_in_order():
    decomposition = Decomposition.of(["hflip x vflip", "rot90 x| hflip"])
    assert [g.name for g in decomposition.generators] == ["hflip", "vflip", "rot90"]
    assert decomposition.name == "hflip x vflip + rot90 x| hflip"
    assert Decomposition().name == "none"


def test_decomposition_is_checked_on_every_grid():
    decomposition = Decomposition.of(["rot90", "swap_lr"])
    decomposition.check((4, 6))
    with pytest.raises(GroupError, match="'swap_lr' needs an even grid, not 5x5"):
        decomposition.check((4, 5))
