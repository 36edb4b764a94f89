import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aen.errors import GroupError
from aen.groups import Alphabet, Decomposition, Generator, class_key, classes, enumerate_classes, mask_to_bits

SMALL = {
    "flips and turns": (["rot90", "hflip", "vflip", "transpose", "rot180"], (4, 2, 4)),
    "swaps": (["quadrants", "swap_lr", "swap_tb_left", "swap_lr_top", "hshift(1)"], (2, 4)),
    "products": (["hflip x vflip", "rot90 x| hflip", "rot180", "transpose"], (3, 4)),
}


@pytest.fixture(scope="module")
def quarter_table():
    return enumerate_classes(Alphabet.of("quarter"), (8, 16, 16))


@pytest.mark.parametrize("case", SMALL)
def test_classes_are_the_distinct_partitions_found_by_search(case, pair_orbits):
    factors, sides = SMALL[case]
    alphabet = Alphabet.of(factors)
    table = enumerate_classes(alphabet, sides)
    partitions = []
    for state in range(2 ** len(alphabet)):
        generators = alphabet.decomposition(mask_to_bits(state, len(alphabet))).generators
        layers = []
        for i, o in itertools.pairwise(sides):
            actions = [(g.permutation(i).tolist(), g.permutation(o).tolist()) for g in generators]
            layers.append(tuple(pair_orbits(actions, i * i, o * o)))
        partitions.append(tuple(layers))
    assert len(table.classes) == len(set(partitions))
    for a, b in itertools.combinations(range(len(partitions)), 2):
        assert (table.class_of_state[a] == table.class_of_state[b]) == (partitions[a] == partitions[b])
    for state, layers in enumerate(partitions):
        network_class = table.classes[table.class_of_state[state]]
        assert network_class.orbits == tuple(max(labels) + 1 for labels in layers)


@pytest.mark.parametrize("case", SMALL)
def test_representative_has_the_fewest_and_then_the_earliest_factors(case):
    factors, sides = SMALL[case]
    table = enumerate_classes(Alphabet.of(factors), sides)
    n = len(factors)
    for number, network_class in enumerate(table.classes):
        members = [mask_to_bits(s, n) for s in range(2**n) if table.class_of_state[s] == number]
        chosen = [tuple(i for i, bit in enumerate(bits) if bit) for bits in members]
        best = min(chosen, key=lambda factors: (len(factors), factors))
        assert mask_to_bits(network_class.representative, n) == tuple(int(i in best) for i in range(n))
        assert network_class.states == len(members)
        assert table.decomposition(network_class) == Decomposition.of([factors[i] for i in best])
    representatives = [tuple(i for i in range(n) if c.representative >> i & 1) for c in table.classes]
    assert representatives == sorted(representatives, key=lambda factors: (len(factors), factors))


def test_mask_to_bits_starts_with_bit_0():
    assert mask_to_bits(0b0110, 5) == (0, 1, 1, 0, 0)


def test_quarter_alphabet_on_8_16_16_has_148_networks(quarter_table):
    assert len(quarter_table.classes) == 148
    assert sum(c.states for c in quarter_table.classes) == 2**12
    assert np.bincount(quarter_table.class_of_state).tolist() == [c.states for c in quarter_table.classes]
    assert len({c.key for c in quarter_table.classes}) == 148


def key_from_orbits(decomposition, sides):
    """The class key without what an enumeration has left in memory."""
    return classes._key(sides, [classes.layer_orbits(decomposition.generators, *s) for s in itertools.pairwise(sides)])


def test_class_of_a_state_is_its_class_key(quarter_table):
    for state in np.random.default_rng(0).integers(2**12, size=40).tolist():
        decomposition = quarter_table.alphabet.decomposition(mask_to_bits(state, 12))
        found = quarter_table.classes[quarter_table.class_of_state[state]]
        assert found.key == class_key(decomposition, (8, 16, 16)) == key_from_orbits(decomposition, (8, 16, 16))


def test_first_class_is_the_untied_network(quarter_table):
    first = quarter_table.classes[0]
    assert (first.representative, first.orbits) == (0, (64 * 256, 256 * 256))
    assert quarter_table.class_of_state[0] == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("alphabet", "sides", "networks"),
    [
        ("published", (28, 20, 20), 216),
        ("published", (28, 20), 202),
        ("published", (20, 20), 216),
        ("quarter", (28, 20, 20), 148),
    ],
)
def test_published_numbers_of_networks(alphabet, sides, networks):
    table = enumerate_classes(Alphabet.of(alphabet), sides)
    assert len(table.class_of_state) == 4096
    assert len(table.classes) == networks
    assert sum(c.states for c in table.classes) == 4096


def test_key_depends_on_the_grids_and_the_orbits_of_every_layer():
    decompositions = [Decomposition.of(factors) for factors in (["rot90"], ["hflip"], [])]
    keys = [class_key(d, sides) for d in decompositions for sides in [(4, 4), (4, 4, 4), (4, 2), (2, 4)]]
    assert len(set(keys)) == len(keys)
    assert all(len(key) == 16 for key in keys)


def test_key_sees_a_difference_in_the_last_layer_alone():
    first_two = [[1, 0, 3, 2], [2, 1, 0, 5, 4, 3, 8, 7, 6]]
    flips = [Generator.parse(name).permutation(4).tolist() for name in ("hflip", "vflip")]
    custom = [Generator.from_permutations("mine", [*first_two, flip]) for flip in flips]
    one, other = (class_key(Decomposition.of(["mine"], {"mine": g}), (2, 3, 4)) for g in custom)
    assert one != other


def test_key_ignores_how_the_orbits_came_about():
    sides = (6, 4)
    key = class_key(Decomposition.of(["rot90", "hflip"]), sides)
    for same in (["vflip", "rot90"], ["rot90 x| hflip"], ["transpose", "hflip"], ["rot90", "hflip", "rot180"]):
        assert class_key(Decomposition.of(same), sides) == key
    mine = Generator.from_permutations("mine", [Generator.parse("rot90").permutation(s) for s in sides])
    assert class_key(Decomposition.of(["mine", "hflip"], {"mine": mine}), sides) == key


def test_too_many_factors_to_enumerate_are_refused():
    alphabet = Alphabet.of([f"hshift({i})" for i in range(1, 22)])
    with pytest.raises(GroupError, match=r"21 factors, too many to enumerate 2\^21 states"):
        enumerate_classes(alphabet, (28, 28))


def test_factor_that_does_not_fit_is_refused():
    with pytest.raises(GroupError, match="not a whole number of cells"):
        enumerate_classes(Alphabet.of("quarter"), (8, 6))


@pytest.mark.parametrize("sides", [(), (8,)])
def test_child_without_a_layer_is_refused(sides):
    with pytest.raises(GroupError, match="make no layer"):
        class_key(Decomposition(), sides)


FACTORS = (
    *("rot90", "rot180", "transpose", "hflip", "vflip", "hshift(1)", "vshift(1/2)", "quadrants", "swap_lr", "swap_tb"),
    *("swap_tb_left", "swap_tb_right", "swap_lr_top", "swap_lr_bottom", "hflip x vflip", "rot90 x| hflip"),
)


@given(
    factors=st.lists(st.sampled_from(FACTORS), min_size=1, max_size=6, unique=True),
    sides=st.lists(st.sampled_from([2, 4, 6]), min_size=2, max_size=3),
)
@settings(max_examples=40)
def test_walk_agrees_with_joining_the_factors_of_every_state(factors, sides):
    table = enumerate_classes(Alphabet.of(factors), sides)
    n = len(factors)
    keys = [key_from_orbits(table.alphabet.decomposition(mask_to_bits(state, n)), sides) for state in range(2**n)]
    assert [table.classes[number].key for number in table.class_of_state] == keys
    assert len(table.classes) == len(set(keys))
    for network_class in table.classes:
        members = [state for state in range(2**n) if keys[state] == network_class.key]
        # The factors that keep a class: those that can join any of its states without leaving it.
        kept = [i for i in range(n) if keys[members[0] | 1 << i] == network_class.key]
        assert table.closed_set(network_class) == sum(1 << i for i in kept)
        assert table.closed_set(network_class) in members


def test_most_joins_are_spared(monkeypatch):
    joins = []

    def counted(orbits, permutations):
        joins.append(len(permutations))
        return join(orbits, permutations)

    join = classes._join
    monkeypatch.setattr(classes, "_join", counted)
    table = enumerate_classes(Alphabet.of("quarter"), (4, 8))
    # Each class is made once; more than half of the other ways that lead to it are known without a join.
    ways = sum(12 - table.closed_set(network_class).bit_count() for network_class in table.classes)
    assert len(table.classes) - 1 <= len(joins) < ways / 2
