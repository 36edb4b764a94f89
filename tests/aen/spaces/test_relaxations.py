import itertools
import random

import numpy as np
import pytest
from helpers.planar_cases import EXACT, GENERATORS, after, turn

from aen.children import EquiNASSpec, TrainingSpec
from aen.children.equinas import LAYERS
from aen.data import DataSpec
from aen.errors import GroupError, SpecError
from aen.spaces import RelaxationSpace

CHILD = EquiNASSpec(data=DataSpec(), training=TrainingSpec(epochs=7), side=8, width=1, seed=3)
SIX = ("C1", "C2", "C4", "D1", "D2", "D4")
# The largest first, as the package has them; among equals its own order.
TEN = ("D4", "C4", "D2d", "D2", "C2", "D1a", "D1v", "D1d", "D1", "C1")


def closure(generators):
    found, new = set(), {turn(0)}
    while new:
        found |= new
        new = {after(a, b) for a in new for b in generators} - found
    return frozenset(found)


# Each group as a set of permutations, worked out without the package.
MEMBERS = {name: closure(GENERATORS[name]) for name in EXACT}


def shrinks(names):
    return all(MEMBERS[behind] <= MEMBERS[before] for before, behind in itertools.pairwise(names))


def brute_states(groups, layers):
    for state in itertools.product(range(len(groups)), repeat=layers):
        if shrinks([groups[number] for number in state]):
            yield state


@pytest.fixture(scope="module")
def space():
    return RelaxationSpace(CHILD)


@pytest.mark.parametrize(("groups", "states"), [(None, 1210), (SIX, 550), (("C1", "D4"), 10), (("D4", "C4", "C1"), 55)])
def test_the_number_of_states(groups, states):
    space = RelaxationSpace(CHILD, groups)
    # Paths of nine layers in the order by inclusion, as a power of its matrix.
    below = np.array([[MEMBERS[b] <= MEMBERS[a] for b in space.groups] for a in space.groups], dtype=int)
    assert space.states == states == np.linalg.matrix_power(below, LAYERS).sum()
    assert len(space.classes) == len({c.key for c in space.classes}) == states
    assert [c.states for c in space.classes] == [1] * states
    assert space.sizes == (len(space.groups),) * 9


@pytest.mark.parametrize("groups", [("D4", "C1"), ("C4", "C1", "D4"), ("D4", "D1", "D1v", "C1")])
@pytest.mark.parametrize("published", [False, True])
def test_the_states_are_the_rows_whose_groups_shrink(groups, published):
    child = EquiNASSpec(side=28, published=published)
    space = RelaxationSpace(child, groups)
    expected = list(brute_states(space.groups, 8 if published else 9))
    assert sorted(c.representative for c in space.classes) == expected
    assert space.states == len(expected)
    assert len({space.number_of(state) for state in expected}) == len(expected)


def test_a_row_is_a_state_or_it_is_not(space):
    source = random.Random(0)  # noqa: S311 - a test's
    for _ in range(300):
        row = sorted(source.choices(range(10), k=9))
        names = [TEN[number] for number in row]
        assert space.has(row) == shrinks(names)
        if space.has(row):
            assert space.spec_of(row).layer_groups == space.names_of(row) == tuple(names)
        else:
            with pytest.raises(SpecError, match=r"state is \[.*; give 9 numbers from 0 \(D4\) to 9 \(C1\), whose gro"):
                space.spec_of(row)


@pytest.mark.parametrize("row", [None, "ab", 3, [0] * 8, [0] * 10, [10] * 9, [-1] * 9, [0.5] * 9, [[0]] * 9])
def test_what_is_no_row_is_no_state(space, row):
    assert not space.has(row)


def test_groups_stand_from_the_largest_to_the_smallest(space):
    assert space.groups == TEN
    assert RelaxationSpace(CHILD, SIX).groups == ("D4", "C4", "D2", "C2", "D1", "C1")
    assert RelaxationSpace(EquiNASSpec(base="D2")).groups == ("D2", "C2", "D1v", "D1", "C1")


def test_the_start_is_the_base_and_the_baseline_has_no_symmetry(space):
    assert space.classes[0].representative == (0,) * 9
    assert space.spec_of((0,) * 9) == space.child == CHILD
    baseline = space.spec(space.baseline)
    assert space.baseline in space.classes
    assert space.baseline_state == space.baseline.representative
    assert baseline.layer_groups == ("C1",) * 9
    assert baseline.class_key == space.baseline.key
    assert space.baseline_name == "untied"
    assert space.remarks() == ()
    assert space.factors(baseline) == {}


@pytest.mark.parametrize(
    "child",
    [
        CHILD.with_layer_groups(("D4",) * 5 + ("C4",) * 4),
        EquiNASSpec(data=CHILD.data, training=CHILD.training, side=8, width=1, seed=3, mixed=("C1", "D4")),
        EquiNASSpec(data=CHILD.data, training=CHILD.training, side=8, width=1, seed=3, parent="0" * 24),
    ],
    ids=["groups", "mixed", "parent"],
)
def test_the_childs_own_groups_and_parent_are_not_used(space, child):
    other = RelaxationSpace(child)
    assert other.child == space.child
    assert other.classes == space.classes


def test_children_have_the_whole_training_and_no_parent(space):
    for network_class in space.classes[::100]:
        spec = space.spec(network_class)
        assert (spec.training, spec.seed, spec.parent) == (CHILD.training, 3, None)
        assert spec.class_key == network_class.key


def test_another_seed(space):
    other = space.with_seed(8)
    assert other.child == CHILD.with_seed(8)
    assert (other.groups, other.classes) == (space.groups, space.classes)
    assert RelaxationSpace(CHILD, SIX).with_seed(8).groups == RelaxationSpace(CHILD, SIX).groups


@pytest.mark.parametrize(
    ("moves", "group"),
    [
        ((), "C1"),
        (("rot90",), "C4"),
        (("vflip",), "D1v"),
        (("rot90", "hflip"), "D4"),
        (("transpose", "rot180"), "D2d"),
        (("hshift(1/4)",), None),
    ],
)
def test_the_child_of_moves_has_their_group_in_every_layer(moves, group):
    for groups in (None, ("D4", "C1")):
        spec = RelaxationSpace(CHILD, groups).spec_of_moves(moves)
        assert spec == (None if group is None else CHILD.with_layer_groups((group,) * 9))


def test_moves_beyond_the_base_have_no_child():
    with pytest.raises(SpecError, match="D4, which is no subgroup of base, C4"):
        RelaxationSpace(EquiNASSpec(base="C4")).spec_of_moves(("rot90", "hflip"))


@pytest.mark.parametrize("groups", [None, SIX, ("D4", "D2", "D1a", "C1"), ("D4", "C1")])
def test_a_relaxation_goes_one_step_down_and_keeps_the_order(groups):
    space = RelaxationSpace(CHILD, groups)
    names = space.groups

    def between(small, large):
        return any(MEMBERS[small] < MEMBERS[other] < MEMBERS[large] for other in names)

    for network_class in random.Random(1).sample(list(space.classes), min(60, space.states)):  # noqa: S311 - a test's
        state = network_class.representative
        expected = set()
        for layer, number in itertools.product(range(9), range(len(names))):
            own, new = names[state[layer]], names[number]
            after_it = (*state[:layer], number, *state[layer + 1 :])
            step = MEMBERS[new] < MEMBERS[own] and not between(new, own)
            if step and shrinks([names[n] for n in after_it]):
                expected.add((layer, number))
        found = space.relaxations(state)
        assert set(found) == expected
        assert len(found) == len(expected)


def test_every_state_can_be_reached_by_relaxations():
    space = RelaxationSpace(CHILD, SIX)
    found, new = set(), {(0,) * 9}
    while new:
        found |= new
        reached = {(*s[:layer], number, *s[layer + 1 :]) for s in new for layer, number in space.relaxations(s)}
        new = reached - found
    assert found == {c.representative for c in space.classes}


@pytest.mark.parametrize(
    ("groups", "error", "message"),
    [
        ([], SpecError, r"groups is \[\]; give a list of subgroups of D4, such as \['D4', 'C1'\]"),
        ("D4", SpecError, "groups is 'D4'; give a list of subgroups of D4"),
        (["C4", "C1"], SpecError, r"groups is \['C4', 'C1'\], without D4, with which every layer starts; add it"),
        (["D4", "C4"], SpecError, r"groups is \['D4', 'C4'\], without C1, which the baseline has everywhere; add it"),
        (["D4", "C8", "C1"], SpecError, "C8 is no subgroup of D4; those are D4, C4, D2d"),
        (["D4", "C1", "C1"], SpecError, r"groups is \['D4', 'C1', 'C1'\]; name each group once"),
        (["D4", "C5", "C1"], GroupError, "unknown planar group 'C5'"),
    ],
)
def test_wrong_groups_are_named(groups, error, message):
    with pytest.raises(error, match=message):
        RelaxationSpace(CHILD, groups)
