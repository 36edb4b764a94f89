import itertools

import pytest

from aen.children import DenseSpec
from aen.errors import GroupError
from aen.groups import Alphabet, Decomposition, enumerate_classes
from aen.spaces import DecompositionSpace, Space, decompositions

CHILD = DenseSpec(grids=(4, 4), seed=3)
NAMES = ("rot90", "hflip", "vflip", "quadrants")


@pytest.fixture(scope="module")
def space():
    tied = CHILD.with_decomposition(Decomposition.of(["hflip"]))
    return DecompositionSpace(tied, enumerate_classes(Alphabet.of(NAMES), CHILD.grids))


def test_every_state_has_the_child_of_its_factors(space):
    assert space.states == 16
    assert space.spec_of((0, 1, 0, 1)) == CHILD.with_decomposition(Decomposition.of(["hflip", "quadrants"]))


def test_classes_are_the_states_with_one_key(space):
    states = list(itertools.product((0, 1), repeat=4))
    keys = [space.spec_of(state).class_key for state in states]
    assert {c.key: c.states for c in space.classes} == {key: keys.count(key) for key in keys}
    for network_class in space.classes:
        assert space.spec(network_class).class_key == network_class.key
        fewest = min(sum(state) for state, key in zip(states, keys, strict=True) if key == network_class.key)
        assert sum(network_class.representative) == fewest


def test_the_baseline_is_the_untied_child(space):
    assert space.spec(space.baseline) == CHILD
    assert space.baseline.representative == (0, 0, 0, 0)


def test_numbers_of_states_are_bit_masks(space):
    assert [space.number_of(bits) for bits in ((0, 0, 0, 0), (1, 0, 0, 0), (0, 1, 0, 1))] == [0, 1, 10]
    for ours, theirs in zip(space.classes, space.table.classes, strict=True):
        assert space.number_of(ours.representative) == theirs.representative


def test_the_moves_child_need_not_be_in_the_alphabet(space):
    assert space.spec_of_moves(("swap_lr",)) == CHILD.with_decomposition(Decomposition.of(["swap_lr"]))
    odd = DecompositionSpace(DenseSpec(grids=(4, 5)), enumerate_classes(Alphabet.of(["rot90"]), (4, 5)))
    with pytest.raises(GroupError, match="needs an even grid"):
        odd.spec_of_moves(("quadrants",))


def test_what_only_decompositions_have(space):
    closed = space.closed_sets()
    assert closed.keys() == {c.key for c in space.classes}
    assert closed[space.baseline.key] == 0
    assert space.closed_set_name(0b0101) == Decomposition.of(["rot90", "vflip"]).name
    assert space.describe_class(space.baseline) == {"orbits": [256]}
    assert space.remarks() == ()
    shifted = Alphabet.of(["vshift(2)"])
    (remark,) = DecompositionSpace(DenseSpec(grids=(8, 12)), enumerate_classes(shifted, (8, 12))).remarks()
    assert "vshift(2) has order 4 on 8x8, 6 on 12x12: the joint action ties more" in remark


def test_the_table_is_loaded_when_classes_are_first_asked_for(monkeypatch, space):
    loaded = []
    monkeypatch.setattr(decompositions, "load_classes", lambda *asked: loaded.append(asked) or space.table)
    lazy = DecompositionSpace(CHILD, Alphabet.of(NAMES))
    assert (lazy.sizes, lazy.states, lazy.baseline_state) == ((2,) * 4, 16, (0,) * 4)
    assert lazy.spec_of((0, 1, 0, 1)) == space.spec_of((0, 1, 0, 1))
    assert lazy.labels((0, 1, 0, 1)) == NAMES
    assert (lazy.remarks(), loaded) == ((), [])
    assert lazy.with_seed(5).child == CHILD.with_seed(5)
    assert not loaded
    assert (lazy.classes, lazy.baseline, lazy.closed_sets()) == (space.classes, space.baseline, space.closed_sets())
    assert lazy.with_seed(5).classes == space.classes
    assert loaded == [(Alphabet.of(NAMES), CHILD.grids)]


def test_an_alphabet_that_does_not_fit_the_child_is_refused_at_once():
    with pytest.raises(GroupError, match="needs an even grid, not 3x3"):
        DecompositionSpace(DenseSpec(grids=(4, 3)), Alphabet.of(["quadrants"]))


class Menu(Space):
    """A space with places of several choices, and nothing that a space need not have."""

    sizes = (3, 2)
    states = 6
    classes = ()
    baseline = None

    def spec_of(self, state):
        return CHILD.with_seed(self.number_of(state))


def test_a_space_need_not_be_of_bits_nor_have_an_order():
    menu = Menu()
    assert [menu.number_of((i, j)) for j in range(2) for i in range(3)] == list(range(6))
    assert menu.spec_of_moves(("rot90",)) is None
    assert not menu.closed_sets()
    assert not menu.remarks()
    assert menu.describe_class(None) == {}
    assert (menu.baseline_state, menu.labels((2, 1))) == ((0, 0), ("place 0: 2", "place 1: 1"))
    with pytest.raises(NotImplementedError, match="Menu does not define with_seed"):
        menu.with_seed(1)
    with pytest.raises(ValueError, match="zip"):
        menu.number_of((1,))


def test_spaces_of_other_grids_have_tables_of_their_own():
    factors = ("rot90", "hflip", "swap_lr")
    first, second = (DecompositionSpace(DenseSpec(grids=grids), Alphabet.of(factors)) for grids in ((8, 4), (4, 2)))
    again = DecompositionSpace(DenseSpec(grids=(8, 4), seed=1), Alphabet.of(factors))
    assert again.table is first.table
    assert second.table.grids == (4, 2)
    assert {c.key for c in first.classes}.isdisjoint(c.key for c in second.classes)
