import itertools

import pytest

from aen.children import DenseSpec
from aen.errors import GroupError
from aen.groups import Alphabet, Decomposition, load_layerwise_classes
from aen.spaces import LayerwiseDecompositionSpace, layerwise_decompositions

CHILD = DenseSpec(grids=(4, 4, 2), seed=3)
NAMES = ("rot90", "hflip", "vflip")


@pytest.fixture(scope="module")
def space():
    tied = CHILD.with_decomposition(Decomposition.of(["hflip"]))
    return LayerwiseDecompositionSpace(tied, load_layerwise_classes(Alphabet.of(NAMES), CHILD.grids))


def test_every_state_has_the_child_of_its_layers_factors(space):
    assert space.states == 2**6
    assert space.sizes == (2,) * 6
    layers = [Decomposition.of(["hflip"]), Decomposition.of(["rot90", "vflip"])]
    assert space.spec_of((0, 1, 0, 1, 0, 1)) == CHILD.with_layers(layers)
    assert space.spec_of((0, 1, 0, 0, 1, 0)) == CHILD.with_decomposition(Decomposition.of(["hflip"]))
    for wrong in (5, 7):
        with pytest.raises(GroupError, match="give one bit each"):
            space.spec_of((0,) * wrong)


def test_classes_are_the_states_with_one_key(space):
    states = list(itertools.product((0, 1), repeat=6))
    keys = [space.spec_of(state).class_key for state in states]
    assert {c.key: c.states for c in space.classes} == {key: keys.count(key) for key in keys}
    assert len(space.classes) == len(space.table.layers[0].classes) * len(space.table.layers[1].classes)
    for network_class in space.classes:
        assert space.spec(network_class).class_key == network_class.key
        theirs = [state for state, key in zip(states, keys, strict=True) if key == network_class.key]
        fewest = min(theirs, key=lambda state: (sum(state), [-bit for bit in state]))
        assert network_class.representative == fewest
    sizes = [sum(c.representative) for c in space.classes]
    assert sizes == sorted(sizes)


def test_the_table_is_loaded_when_classes_are_first_asked_for(monkeypatch, space):
    loaded = []
    monkeypatch.setattr(
        layerwise_decompositions, "load_layerwise_classes", lambda *asked: loaded.append(asked) or space.table
    )
    lazy = LayerwiseDecompositionSpace(CHILD, Alphabet.of(NAMES))
    assert (lazy.sizes, lazy.states, lazy.baseline_state) == ((2,) * 6, 64, (0,) * 6)
    assert lazy.spec_of((0, 1, 0, 1, 0, 1)) == space.spec_of((0, 1, 0, 1, 0, 1))
    assert lazy.labels((0,) * 6) == ("1: rot90", "1: hflip", "1: vflip", "2: rot90", "2: hflip", "2: vflip")
    assert lazy.with_seed(5).child == CHILD.with_seed(5)
    assert (lazy.remarks(), loaded) == ((), [])
    assert (lazy.classes, lazy.baseline) == (space.classes, space.baseline)
    assert lazy.with_seed(5).classes == space.classes
    assert loaded == [(Alphabet.of(NAMES), CHILD.grids)]


def test_the_baseline_is_the_untied_child(space):
    assert space.spec(space.baseline) == CHILD
    assert space.baseline.representative == (0,) * 6


def test_the_moves_child_has_them_in_all_layers_and_need_not_be_in_the_alphabet(space):
    assert space.spec_of_moves(("swap_lr",)) == CHILD.with_decomposition(Decomposition.of(["swap_lr"]))
    odd = LayerwiseDecompositionSpace(DenseSpec(grids=(4, 5)), load_layerwise_classes(Alphabet.of(["rot90"]), (4, 5)))
    with pytest.raises(GroupError, match="needs an even grid"):
        odd.spec_of_moves(("quadrants",))


def test_what_it_says_of_a_class(space):
    assert space.describe_class(space.baseline) == {"orbits": [256, 64]}
    by_key = {c.key: c for c in space.classes}
    turned = by_key[CHILD.with_layers([Decomposition(), Decomposition.of(["rot90"])]).class_key]
    assert space.describe_class(turned) == {"orbits": [256, 16]}
    assert not space.closed_sets()


def test_remarks_name_what_one_layer_s_grids_disagree_on():
    shift = Alphabet.of(["vshift(2)"])
    same = LayerwiseDecompositionSpace(DenseSpec(grids=(8, 8)), load_layerwise_classes(shift, (8, 8)))
    assert same.remarks() == ()
    grids = (8, 12, 12, 8)
    remarks = LayerwiseDecompositionSpace(DenseSpec(grids=grids), load_layerwise_classes(shift, grids)).remarks()
    assert [remark.partition(":")[0] for remark in remarks] == [
        "vshift(2) has order 4 on 8x8, 6 on 12x12",
        "vshift(2) has order 6 on 12x12, 4 on 8x8",
    ]


def check_whole(name, grids, counts):
    """The classes of a whole alphabet: as many as the layers' numbers multiply to, and some of them one by one."""
    child = DenseSpec(grids=grids)
    space = LayerwiseDecompositionSpace(child, load_layerwise_classes(Alphabet.of(name), grids))
    assert [len(layer.classes) for layer in space.table.layers] == counts
    assert len(space.classes) == len({c.key for c in space.classes}) == counts[0] * counts[1]
    assert space.states == sum(c.states for c in space.classes) == 2**24
    for network_class in space.classes[:: len(space.classes) // 12]:
        assert space.spec(network_class).class_key == network_class.key


@pytest.mark.parametrize("grids", [(4, 8, 4), pytest.param((8, 16, 16), marks=pytest.mark.slow)], ids=str)
def test_the_quarters_have_21904_classes(grids):
    check_whole("quarter", grids, [148, 148])


@pytest.mark.slow
def test_the_published_alphabet_has_43632_classes():
    check_whole("published", (28, 20, 20), [202, 216])
