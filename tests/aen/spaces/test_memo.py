"""What a space remembers of its states is what it would compute, shared by equal spaces alone, and never pickled."""

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from helpers.relaxation_child import CHILD, FEW
from helpers.table_evaluators import GCNN

from aen.children import ChildSpec, DenseSpec
from aen.groups import Alphabet, Decomposition, class_cache
from aen.spaces import DecompositionSpace, GCNNSpace, LayerwiseDecompositionSpace, RelaxationSpace, memo

ALPHABET = Alphabet.of(["rot90", "hflip", "vflip", "swap_lr", "hshift(1/2)"])
DENSE = DenseSpec(grids=(4, 2, 4))
AUGMENTED = replace(DENSE, augment=Decomposition.of(["hflip"]))
SPACES = {
    "decompositions": lambda: DecompositionSpace(DENSE, ALPHABET),
    "layerwise": lambda: LayerwiseDecompositionSpace(DENSE, ALPHABET),
    "augmented decompositions": lambda: DecompositionSpace(AUGMENTED, ALPHABET),
    "augmented layerwise": lambda: LayerwiseDecompositionSpace(AUGMENTED, ALPHABET),
    "gcnn": lambda: GCNNSpace(GCNN, groups=["C1", "C2", "D4"], kernel_sizes=[3, 5]),
    "relaxations": lambda: RelaxationSpace(CHILD, FEW),
}
OTHERS = {
    "decompositions": lambda: DecompositionSpace(replace(DENSE, head="free"), ALPHABET),
    "layerwise": lambda: LayerwiseDecompositionSpace(replace(DENSE, grids=(4, 4, 4)), ALPHABET),
    "augmented decompositions": lambda: DecompositionSpace(DENSE, ALPHABET),
    "augmented layerwise": lambda: LayerwiseDecompositionSpace(DENSE, ALPHABET),
    "gcnn": lambda: GCNNSpace(replace(GCNN, width=3), groups=["C1", "C2", "D4"], kernel_sizes=[3, 5]),
    "relaxations": lambda: RelaxationSpace(replace(CHILD, width=2), FEW),
}


@pytest.fixture(autouse=True)
def empty_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("AEN_CACHE", str(tmp_path))
    monkeypatch.setattr(class_cache, "_LOADED", {})


def states(space, count=40):
    if isinstance(space, RelaxationSpace):
        return list(space.all_states[:: max(len(space.all_states) // count, 1)])
    random = np.random.default_rng(0)
    drawn = [tuple(random.integers(space.sizes).tolist()) for _ in range(count)]
    same = (1, 0, 0, 1, 0) * len(DENSE.layer_shapes)  # the same factors in both layers
    return [*drawn, (0,) * len(space.sizes), *([same] if len(same) == len(space.sizes) else [])]


def figures(spec):
    return spec, spec.key, spec.class_key, spec.name, spec.group


def computed(spec):
    """The same from a spec that knows nothing."""
    return figures(ChildSpec.from_json(spec.to_json()))


@pytest.mark.parametrize("name", SPACES)
@pytest.mark.parametrize("table", ["unknown", "loaded", "in the cache", "loaded later"])
def test_a_child_is_remembered_as_it_is_computed(name, table, monkeypatch):
    space = SPACES[name]()
    if table == "loaded later":
        space.child_at(states(space)[0])
    if table != "unknown" and hasattr(space, "table"):
        _ = space.table
    if table == "in the cache":
        monkeypatch.setattr(class_cache, "_LOADED", {})
        space = SPACES[name]()
    for state in states(space):
        first = space.child_at(state)
        assert figures(first) == computed(first)
        assert first == space.spec_of(state)
        assert space.child_at(state) is first
        assert space.number_at(state) == space.number_of(state)


@pytest.mark.parametrize("name", ["augmented decompositions", "augmented layerwise"])
def test_a_class_of_augmented_children_has_their_key(name):
    space = SPACES[name]()
    for network_class in space.classes[:: max(len(space.classes) // 40, 1)]:
        assert space.spec(network_class).class_key == network_class.key == computed(space.spec(network_class))[2]
        assert space.describe_class(network_class)["orbits"]


@pytest.mark.parametrize("name", SPACES)
def test_equal_spaces_share_and_others_do_not(name):
    space, equal = SPACES[name](), SPACES[name]()
    state = states(space)[-1]
    child = space.child_at(state)
    assert equal.child_at(state) is child
    seeded, other = space.with_seed(5), OTHERS[name]()
    assert (seeded.child_at(state).seed, child.seed) == (5, 0)
    assert len({spec.key for spec in (child, seeded.child_at(state), other.child_at(state))}) == 3
    space.child = replace(space.child, seed=9)
    assert space.child_at(state).seed == 9
    assert equal.child_at(state) is child


def test_a_subclass_that_varies_more_than_the_class_has_its_own_keys():
    class Varied(DecompositionSpace):
        def spec_of(self, state):
            spec = super().spec_of(state)
            return spec.with_checked(head="free").noting(class_key=spec.class_key) if state[-1] else spec

    space = Varied(DENSE, ALPHABET)
    _ = space.table
    for state in states(space):
        assert space.child_at(state).key == computed(space.child_at(state))[1]


def test_a_subclass_shares_nothing_it_does_not_describe():
    class Larger(DecompositionSpace):
        def __init__(self, classes):
            super().__init__(DENSE, ALPHABET)
            self.more = classes

        def spec_of(self, state):
            return replace(super().spec_of(state), classes=self.more)

    state = (1, 0, 1, 0, 0)
    found = [space.child_at(state).classes for space in (Larger(7), Larger(8), DecompositionSpace(DENSE, ALPHABET))]
    assert found == [7, 8, 10]


@pytest.mark.parametrize("name", SPACES)
def test_copies_and_pickles_do_not_hold_what_is_remembered(name):
    space = SPACES[name]()
    space.child_at(states(space)[0])  # what the space itself keeps, such as its places, is there from now on
    before = len(pickle.dumps(space))
    children = [space.child_at(state) for state in states(space)]
    keys = [child.key for child in children]
    assert len(pickle.dumps(space)) <= before + 400
    for other in (copy.deepcopy(space), pickle.loads(pickle.dumps(space))):  # noqa: S301 - ours
        assert [other.child_at(state).key for state in states(space)] == keys
    bare = ChildSpec.from_json(children[0].to_json())
    assert bare.name == children[0].name  # factors keep their names
    # A key alone would add more; equal strings that are one object in only one of the two, a few bytes.
    assert abs(len(pickle.dumps(children[0])) - len(pickle.dumps(bare))) < len(bare.key)
    assert pickle.loads(pickle.dumps(children[0])) == bare  # noqa: S301 - ours


def test_the_number_of_states_is_bounded(monkeypatch):
    monkeypatch.setattr(memo, "MAX_STATES", 8)
    space = DecompositionSpace(replace(DENSE, classes=3), ALPHABET)
    for state in states(space):
        space.child_at(state)
    assert space._memo.child_at.cache_info().currsize == 8


def test_what_is_remembered_goes_with_the_last_space():
    space = DecompositionSpace(replace(DENSE, classes=4), ALPHABET)
    space.child_at((1, 0, 0, 0, 0))
    held = len(memo._MEMOS)
    del space
    assert len(memo._MEMOS) == held - 1


def test_threads_get_the_same_children():
    space = SPACES["layerwise"]()
    drawn = states(space) * 5
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda state: SPACES["layerwise"]().child_at(state).key, drawn))
    assert found == [space.spec_of(state).key for state in drawn]
