import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy.combinatorics import Permutation, PermutationGroup

from aen.groups import Alphabet, Decomposition, Generator
from aen.groups.order import count_elements

FACTORS = ("rot90", "rot180", "transpose", "hflip", "vflip", "hshift(1/2)", "vshift(1/2)", "quadrants", "swap_lr_top")


def made_of(**tables):
    """A decomposition of user-made generators, given by their permutations of one grid."""
    custom = {name: Generator.from_permutations(name, [table]) for name, table in tables.items()}
    return Decomposition.of(list(custom), custom)


def multiplication_table(multiply, elements, by):
    """Left multiplication by an element, as a permutation of the elements and of fixed cells up to a square grid."""
    size = math.ceil(math.sqrt(len(elements))) ** 2
    return [elements.index(multiply(by, e)) for e in elements] + list(range(len(elements), size))


def quaternion(a, b):
    w, x, y, z = a
    p, q, r, s = b
    return (
        w * p - x * q - y * r - z * s,
        w * q + x * p + y * s - z * r,
        w * r - x * s + y * p + z * q,
        w * s + x * r - y * q + z * p,
    )


UNIT_I, UNIT_J = (0, 1, 0, 0), (0, 0, 1, 0)
UNITS = [tuple(sign * (i == k) for i in range(4)) for k in range(4) for sign in (1, -1)]
Q8 = made_of(i=multiplication_table(quaternion, UNITS, UNIT_I), j=multiplication_table(quaternion, UNITS, UNIT_J))


@pytest.mark.parametrize(
    ("factors", "sides", "expected"),
    [
        ((), (4, 6), ("C1", 1, True, "none", ())),
        (("rot90",), (4, 6), ("C4", 4, True, "rot90", ())),
        (("hflip",), (3, 5), ("C2", 2, True, "hflip", ())),
        (("rot90", "hflip"), (4, 6), ("D4", 8, False, "rot90 x| hflip", ())),
        (("rot90 x| hflip",), (4, 6), ("D4", 8, False, "rot90 x| hflip", ())),
        (("rot90", "hflip", "vflip"), (4, 6), ("D4", 8, False, "rot90 x| hflip", ("vflip",))),
        (("rot180", "rot90"), (4,), ("C4", 4, True, "rot90", ("rot180",))),
        (("hflip", "vflip"), (4, 6), ("C2xC2", 4, True, "hflip x vflip", ())),
        (("hflip x vflip",), (4, 6), ("C2xC2", 4, True, "hflip x vflip", ())),
        (("hshift(1/4)", "vshift(1/4)"), (4, 8), ("C4xC4", 16, True, "hshift(1/4) x vshift(1/4)", ())),
        (("hshift(1/2)", "vshift(1/4)"), (4, 8), ("C2xC4", 8, True, "hshift(1/2) x vshift(1/4)", ())),
        (("hshift(1/2)", "vshift(1/3)"), (6,), ("C6", 6, True, "hshift(1/2) x vshift(1/3)", ())),
        (("vshift(4)",), (28, 20, 20), ("C35", 35, True, "vshift(4)", ())),
        (("hshift(1)", "hflip"), (5,), ("D5", 10, False, "hshift(1) x| hflip", ())),
        (("hflip", "transpose"), (4,), ("D4", 8, False, "<hflip, transpose>", ())),
        (("quadrants", "swap_lr_top"), (2,), ("S4", 24, False, "<quadrants, swap_lr_top>", ())),
    ],
)
def test_known_groups(factors, sides, expected):
    found = Decomposition.of(factors).describe(sides)
    assert (found.name, found.order, found.abelian, found.structure, found.redundant) == expected
    assert found.at_least == found.order


@pytest.mark.parametrize(
    ("decomposition", "side", "name", "order"),
    [
        (Q8, 3, "Q8", 8),
        (made_of(a=[1, 2, 0, 3], b=[1, 0, 3, 2]), 2, "A4", 12),
        (made_of(a=[1, 2, 0, 3], b=[1, 0, 2, 3]), 2, "D3", 6),
        (made_of(a=[1, 2, 3, 0, 5, 6, 7, 4, 8], b=[3, 0, 1, 2, 5, 6, 7, 4, 8]), 3, "C2xC4", 8),
    ],
)
def test_groups_of_user_made_generators(decomposition, side, name, order):
    found = decomposition.describe((side,))
    assert (found.name, found.order) == (name, order)


@given(
    factors=st.lists(st.sampled_from(FACTORS), max_size=3, unique=True),
    table=st.permutations(range(4)),
    sides=st.sampled_from([(2,), (4,), (2, 4)]),
)
@settings(max_examples=40)
def test_order_and_commuting_agree_with_sympy(factors, table, sides):
    mine = Generator.from_permutations("mine", [table, [*range(12), *(12 + i for i in table)]])
    decomposition = Decomposition.of([*factors, "mine"], {"mine": mine})
    tables = []
    for g in decomposition.generators:
        moved, offset = [], 0
        for side in sides:
            moved += (g.permutation(side) + offset).tolist()
            offset += side * side
        tables.append(Permutation(moved))
    group = PermutationGroup(tables)
    found = decomposition.describe(sides)
    assert found.abelian == group.is_abelian
    assert found.order == (group.order() if group.order() <= 256 else None)
    if found.order is None:
        assert found.name == "order > 256"


@given(factors=st.lists(st.sampled_from(FACTORS), max_size=4, unique=True), sides=st.sampled_from([(4,), (2, 4)]))
@settings(max_examples=40)
def test_the_name_alone_is_that_of_the_description(factors, sides):
    decomposition = Decomposition.of(factors)
    assert decomposition.group_name(sides) == decomposition.describe(sides).name


@given(factors=st.lists(st.sampled_from(FACTORS), max_size=4, unique=True))
@settings(max_examples=40)
def test_redundant_factors_can_be_left_out(factors, closure):
    found = Decomposition.of(factors).describe((4,))
    if found.order is None:
        return
    kept = [factor for factor in factors if factor not in found.redundant]

    def order(names):
        return len(closure([g.permutation(4).tolist() for g in Decomposition.of(names).generators], 16))

    assert order(kept) == found.order
    for left_out in kept:
        assert order([factor for factor in kept if factor != left_out]) < found.order


def test_independent_factor_beside_overlapping_ones_is_split_off():
    # a and b overlap in their squares; c moves other cells.
    overlapping = made_of(
        a=[1, 2, 3, 0, 4, 5, 6, 7, 8], b=[1, 2, 3, 0, 5, 4, 6, 7, 8], c=[0, 1, 2, 3, 4, 5, 7, 6, 8]
    ).describe((3,))
    assert (overlapping.name, overlapping.order) == ("C2xC2xC4", 16)
    assert overlapping.structure.startswith("<a, b> x")


def test_product_of_orders_does_not_make_a_split():
    # 4 x 6 = 24 elements of S4, but neither part is normal.
    custom = {name: Generator.from_permutations(name, [t]) for name, t in [("a", [1, 2, 0, 3]), ("b", [1, 0, 2, 3])]}
    found = Decomposition.of(["quadrants", "a x| b"], custom).describe((2,))
    assert (found.name, found.structure) == ("S4", "<quadrants, a x| b>")


def test_semidihedral_group_is_not_taken_for_a_dihedral_one():
    # Order 16, generated on Z/8 by i -> i + 1 and i -> 3i; i -> 3i + 1 has order 4.
    r, s, f = ([*((a * i + b) % 8 for i in range(8)), 8] for a, b in [(1, 1), (3, 0), (3, 1)])
    by_flip, by_other = made_of(r=r, s=s).describe((3,)), made_of(f=f, r=r).describe((3,))
    assert (by_flip.order, by_flip.name, by_flip.structure) == (16, "C8 x| C2", "r x| s")
    assert (by_other.order, by_other.name, by_other.structure) == (16, "order 16", "<f, r>")


def test_order_of_the_sides_and_repeats_change_nothing():
    decomposition = Decomposition.of(["rot90", "hshift(1/4)"])
    assert decomposition.describe((4, 8)) == decomposition.describe((8, 4, 4, 8))


def test_large_group_is_only_called_large_and_quickly():
    started = time.perf_counter()
    found = Alphabet.of("quarter").decomposition([1] * 12).describe((8, 16, 16))
    assert time.perf_counter() - started < 5
    assert (found.order, found.at_least, found.abelian) == (None, 256, False)
    assert found.name == "order > 256"
    assert "order above 256" in str(found)


def test_thorough_counts_what_quick_does_not():
    # All 9! permutations of the cells of a 3x3 grid: beyond both limits of enumeration.
    everything = made_of(turn=[1, 2, 3, 4, 5, 6, 7, 8, 0], swap=[1, 0, 2, 3, 4, 5, 6, 7, 8])
    assert everything.describe((3,)).order is None
    found = everything.describe((3,), thorough=True)
    assert (found.order, found.name) == (math.factorial(9), "order 362880")
    assert "order 362,880, not abelian" in str(found)


def test_thorough_enumerates_middling_groups():
    # C2 and three independent cycles of 5, 7 and 27 cells: 1,890 elements, cyclic.
    lengths, table = (2, 5, 7, 27), []
    for length in lengths:
        table += [len(table) + (i + 1) % length for i in range(length)]
    middling = made_of(turn=[*table, *range(len(table), 49)])
    assert middling.describe((7,)).order is None
    assert middling.describe((7,), thorough=True).name == "C1890"


def test_counting_is_bounded_in_time():
    generators = [g.permutation(16) for g in Alphabet.of("quarter").decomposition([1] * 12).generators]
    started = time.perf_counter()
    assert count_elements(generators, seconds=0.2) is None
    assert time.perf_counter() - started < 5


def test_counting_small_groups():
    assert count_elements([np.array([1, 2, 3, 0]), np.array([1, 0, 2, 3])], seconds=60) == 24


@pytest.mark.parametrize(
    ("factors", "text"),
    [
        (
            ("rot90", "hflip", "vflip"),
            "D4, order 8, not abelian: rot90 x| hflip; generated by the others already: vflip",
        ),
        (("hflip", "vflip"), "C2xC2, order 4, abelian: hflip x vflip"),
    ],
)
def test_description_reads_as_a_sentence(factors, text):
    assert str(Decomposition.of(factors).describe((4, 6))) == text
