"""Planar groups against permutations of a polygon's corners and the moves of torch and of the project's generators."""

import copy
import pickle
import re
from fractions import Fraction
from itertools import product

import helpers.planar_cases as cases
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from aen.errors import GroupError
from aen.groups import Generator
from aen.groups.planar import PLANAR_GROUPS, PlanarElement, PlanarGroup

every_group = pytest.mark.parametrize("name", cases.ALL)
D4, D16 = PlanarGroup.of("D4"), PlanarGroup.of("D16")
members = st.sampled_from(D16.elements)


def brute_force_subgroups(group, closure):
    """Every subgroup as a set of permutations: of a turning or mirroring group, two elements always generate one."""
    elements = [cases.corners(element) for element in group.elements]
    return {frozenset(closure([a, b], cases.CORNERS)) for a, b in product(elements, elements)}


@every_group
def test_axioms(name, closure):
    group = PlanarGroup.of(name)
    elements = [cases.corners(element) for element in group.elements]
    places = {element: place for place, element in enumerate(elements)}
    n = group.order
    assert len(places) == len(elements) == n  # no two elements are the same move
    assert set(elements) == closure(cases.GENERATORS[name], cases.CORNERS)
    expected = [[places[cases.after(a, b)] for b in elements] for a in elements]
    table, inverses = group.table, group.inverses
    assert table.tolist() == expected
    assert elements[0] == cases.turn(0)
    assert np.array_equal(table[0], np.arange(n))
    assert np.array_equal(table[:, 0], np.arange(n))
    assert np.array_equal(table[table], table[:, table]), "not associative"
    assert not table[np.arange(n), inverses].any()
    assert not table[inverses, np.arange(n)].any()
    for i, element in enumerate(group.elements):
        assert cases.corners(element.inverse()) == elements[inverses[i]]
        assert group.index(element) == i
        assert element in group


@given(a=members, b=members)
def test_products_of_elements_are_products_of_moves(a, b):
    assert cases.corners(a * b) == cases.after(cases.corners(a), cases.corners(b))
    assert a * b in D16
    assert (a * b).inverse() == b.inverse() * a.inverse()


@pytest.mark.parametrize("side", [1, 2, 3, 4, 7])
def test_moves_of_a_square_grid_multiply_as_the_elements_do(side):
    for a, b in product(D4.elements, D4.elements):
        assert np.array_equal((a * b).permutation(side), a.permutation(side)[b.permutation(side)]), (a.name, b.name)
    assert np.array_equal(PlanarElement().permutation(side), np.arange(side * side))


@pytest.mark.parametrize(("height", "width"), [(2, 5), (3, 4), (6, 1)])
def test_moves_of_an_oblong_grid_multiply_as_the_elements_do(height, width):
    group = PlanarGroup.of("D2")
    image = torch.arange(height * width).view(height, width)
    for a, b in product(group.elements, group.elements):
        found = (a * b).permutation(height, width)
        assert np.array_equal(found, a.permutation(height, width)[b.permutation(height, width)]), (a.name, b.name)
    for a in group.elements:
        moved = torch.empty_like(image.flatten())
        moved[torch.from_numpy(a.permutation(height, width))] = image.flatten()
        assert torch.equal(moved.view(height, width), cases.moved(image, a)), a.name


NAMES = ("e", "r180", "r90", "r270", "hflip", "r180 hflip", "r90 hflip", "r270 hflip")
MOVES = (
    lambda a: a,
    lambda a: torch.rot90(a, 2),
    torch.rot90,
    lambda a: torch.rot90(a, 3),
    lambda a: a.flip(1),
    lambda a: a.flip(0),
    lambda a: a.T,
    lambda a: torch.rot90(a, 2).T,
)


@pytest.mark.parametrize("side", [2, 3, 5])
@pytest.mark.parametrize(("place", "name"), list(enumerate(NAMES)))
def test_elements_move_images_as_torch_does(place, name, side):
    image = torch.arange(side**2).view(side, side)
    element = D4.elements[place]
    assert element.name == name
    moved = torch.empty_like(image.flatten())
    moved[torch.from_numpy(element.permutation(side))] = image.flatten()
    assert torch.equal(moved.view(side, side), MOVES[place](image))


@pytest.mark.parametrize(
    ("group", "generator"),
    [("C4", "rot90"), ("C2", "rot180"), ("D1", "hflip"), ("D1v", "vflip"), ("D1d", "transpose")],
)
@pytest.mark.parametrize("side", [1, 2, 5, 6])
def test_elements_move_cells_as_the_generators_do(group, generator, side):
    expected = Generator.parse(generator).permutation(side)
    quarter = PlanarElement(Fraction(1, 4))
    element = quarter if group == "C4" else PlanarGroup.of(group).elements[1]
    assert np.array_equal(element.permutation(side), expected)


def test_order_of_the_elements():
    # Rotations before mirrorings, and C1, C2, C4, C8 at the beginning.
    turns = [element.turn for element in PlanarGroup.of("D8").elements]
    eighths = [0, 4, 2, 6, 1, 5, 3, 7]
    assert turns == [Fraction(k, 8) for k in eighths] * 2
    for small, large in [("C2", "C4"), ("C4", "C8"), ("C8", "C16"), ("C4", "D4"), ("C16", "D16")]:
        group = PlanarGroup.of(small)
        assert PlanarGroup.of(large).elements[: group.order] == group.elements


@every_group
def test_subgroups(name, closure):
    group = PlanarGroup.of(name)
    found = group.subgroups()
    assert {cases.as_set(one.elements) for one in found} == brute_force_subgroups(group, closure)
    assert len(set(found)) == len(found)
    assert [one.order for one in found] == sorted(one.order for one in found)
    assert found[-1] == group
    for one in found:
        assert one <= group
        group.check_subgroup(one)
        assert (one < group) == (one != group)


@pytest.mark.parametrize(
    ("name", "count", "classes"),
    [("C1", 1, 1), ("C4", 3, 3), ("D2", 5, 5), ("D4", 10, 8), ("D8", 19, 11), ("C16", 5, None), ("D16", 36, None)],
)
def test_number_of_subgroups(name, count, classes):
    group = PlanarGroup.of(name)
    assert len(group.subgroups()) == count
    if classes is not None:  # the largest groups take seconds
        assert len(group.conjugacy_classes()) == classes


@pytest.mark.parametrize("name", cases.ALL[:-2])
def test_conjugacy_classes(name, closure):
    group = PlanarGroup.of(name)
    elements = [cases.corners(element) for element in group.elements]
    undo = {a: b for a, b in product(elements, elements) if cases.after(a, b) == cases.turn(0)}
    expected = set()
    for subgroup in brute_force_subgroups(group, closure):
        carried = (frozenset(cases.after(cases.after(g, h), undo[g]) for h in subgroup) for g in elements)
        expected.add(frozenset(carried))
    found = [frozenset(cases.as_set(one.elements) for one in together) for together in group.conjugacy_classes()]
    assert len(found) == len(expected)
    assert set(found) == expected


def test_conjugate_groups_of_the_square():
    quarter = PlanarElement(Fraction(1, 4))
    assert PlanarGroup.of("D1").conjugate(quarter).name == "D1v"
    assert PlanarGroup.of("D1d").conjugate(quarter).name == "D1a"
    assert PlanarGroup.of("D2").conjugate(PlanarElement(Fraction(1, 8))).name == "D2d"


@every_group
def test_maximal_subgroups(name, closure):
    group = PlanarGroup.of(name)
    proper = brute_force_subgroups(group, closure) - {cases.as_set(group.elements)}
    expected = {one for one in proper if not any(one < other for other in proper)}
    found = group.maximal_subgroups()
    assert {cases.as_set(one.elements) for one in found} == expected
    assert len(found) == len(expected)


@every_group
def test_representatives_give_every_right_coset_once(name):
    group = PlanarGroup.of(name)
    for subgroup in group.subgroups():
        found = group.representatives(subgroup)
        cosets = [[h * t for h in subgroup.elements] for t in found]
        assert len(found) * subgroup.order == group.order
        assert {element for coset in cosets for element in coset} == set(group.elements), subgroup
        assert found[0] == PlanarElement()
        for t, coset in zip(found, cosets, strict=True):
            assert group.index(t) == min(group.index(element) for element in coset), subgroup


@every_group
def test_generated_by_finds_the_smallest_group(name):
    group = PlanarGroup.of(name)
    assert PlanarGroup.generated_by(group.elements) == group
    few = [element for element in group.elements if cases.corners(element) in cases.GENERATORS[name]]
    assert len(few) == len(cases.GENERATORS[name])
    assert PlanarGroup.generated_by(few) == group


@given(chosen=st.lists(st.sampled_from(PlanarGroup.of("D8").elements), max_size=3))
@settings(max_examples=30)
def test_generated_by_is_the_closure(chosen):
    found = cases.as_set(PlanarGroup.generated_by(chosen).elements)
    products = {cases.turn(0)}
    while True:
        more = products | {cases.after(a, cases.corners(b)) for a in products for b in chosen}
        if more == products:
            break
        products = more
    assert found == products


def test_names_come_back():
    for group in D16.subgroups():
        assert PlanarGroup.of(group.name) == group == PlanarGroup.of(group)
        assert str(group) == group.name
    assert sorted(PLANAR_GROUPS) == sorted(cases.ALL)
    assert [PlanarGroup.of(name).name for name in PLANAR_GROUPS] == list(PLANAR_GROUPS)
    assert {g.name for g in PlanarGroup.of("D8").subgroups()} >= {"D1(1/8)", "D4(1/8)", "D2(3/8)"}
    assert PlanarGroup.of("D1(2/4)").name == "D1v"
    assert PlanarElement(Fraction(1, 16), flip=True).name == "r22.5 hflip"


@every_group
def test_copies_are_equal(name):
    group = PlanarGroup.of(name)
    fresh = pickle.loads(pickle.dumps(PlanarGroup(group.rotations, group.mirrored, group.offset)))  # noqa: S301
    assert group.table is not None  # with what it has calculated, too
    for twin in (fresh, pickle.loads(pickle.dumps(group)), copy.deepcopy(group)):  # noqa: S301
        assert twin == group
        assert hash(twin) == hash(group)
        assert twin.elements == group.elements
        assert np.array_equal(twin.table, group.table)
    assert len({PlanarGroup.of(other) for other in cases.ALL} | {group}) == len(cases.ALL)


def test_exactness():
    assert [name for name in cases.ALL if PlanarGroup.of(name).is_exact] == list(cases.EXACT)
    assert not PlanarGroup.of("D1(1/8)").is_exact
    assert not PlanarGroup.of("D4(1/8)").is_exact


def test_smaller_than():
    assert PlanarGroup.of("C4") < D4
    assert not PlanarGroup.of("C4") <= PlanarGroup.of("D2")
    assert not D4 < D4  # noqa: PLR0124
    assert not PlanarGroup.of("D4(1/8)") <= D4


@pytest.mark.parametrize(
    ("name", "near"),
    [("D", "D8"), ("D4v", "D4"), ("C4v", "C4"), ("D1b", "D1"), ("C32", "C2"), ("D 16", "D16")],
)
def test_unknown_names_are_refused(name, near):
    with pytest.raises(GroupError, match=rf"^unknown planar group '{re.escape(name)}' \(did you mean '{near}'\?\)"):
        PlanarGroup.of(name)


@pytest.mark.parametrize("name", ["C3", "D1(1)", "D1(1/0)", "D2(1/2)", "C2(1/4)", "turns"])
def test_a_name_that_is_near_to_none_lists_all(name):
    with pytest.raises(GroupError, match=r"unknown planar group '.*' \(choose from: C1, C16, .*D8\)"):
        PlanarGroup.of(name)


@pytest.mark.parametrize("offset", [Fraction(1, 4), Fraction(-1, 8), Fraction(1, 32), Fraction(1, 12)])
def test_offsets_that_cannot_be_are_refused(offset):
    with pytest.raises(GroupError, match=rf"offset is {offset}; a mirrored group of 4 rotations has one from 0 to"):
        PlanarGroup(4, mirrored=True, offset=offset)


def test_other_messages():
    with pytest.raises(GroupError, match="rotations is 3; use one of 1, 2, 4, 8, 16"):
        PlanarGroup(3)
    with pytest.raises(GroupError, match=r"offset is 1/8.*others have none"):
        PlanarGroup(4, offset=Fraction(1, 8))
    with pytest.raises(GroupError, match="C4 is not a subgroup of D2; those are C1, D1, D1v, C2, D2"):
        PlanarGroup.of("D2").check_subgroup(PlanarGroup.of("C4"))
    with pytest.raises(GroupError, match="D1d is not a subgroup of D2"):
        PlanarGroup.of("D2").representatives(PlanarGroup.of("D1d"))
    with pytest.raises(GroupError, match="hflip is not an element of C4"):
        PlanarGroup.of("C4").index(PlanarElement(flip=True))


@pytest.mark.parametrize("element", [e for e in D4.elements if e.turn in {Fraction(1, 4), Fraction(3, 4)}], ids=str)
def test_quarter_turns_do_not_keep_an_oblong_grid(element):
    with pytest.raises(GroupError, match=rf"{element.name} does not keep a 3x4 grid; .*such as D2"):
        element.permutation(3, 4)


def test_eighth_turns_do_not_keep_pixels():
    with pytest.raises(GroupError, match="r45 does not move pixels onto pixels; use quarter turns"):
        PlanarElement(Fraction(1, 8)).permutation(4)
