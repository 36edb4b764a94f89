import itertools
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aen.children import GCNNSpec
from aen.data import DataSpec
from aen.data.augmentation_names import AUGMENTATIONS
from aen.errors import SpecError
from aen.groups import Decomposition
from aen.groups.planar import PlanarGroup
from aen.spaces import GCNNSpace, space_from_json

CHILD = GCNNSpec(data=DataSpec(), seed=3)
# Worked out by hand: which group each code of (rot90, vflip, hflip) generates.
GROUPS = {
    (0, 0, 0): "C1",
    (1, 0, 0): "C4",
    (0, 1, 0): "D1v",
    (0, 0, 1): "D1",
    (0, 1, 1): "D2",
    (1, 1, 0): "D4",
    (1, 0, 1): "D4",
    (1, 1, 1): "D4",
}
ALL_TEN = ("C1", "C2", "C4", "D1", "D1v", "D1d", "D1a", "D2", "D2d", "D4")


@pytest.fixture(scope="module")
def space():
    return GCNNSpace(CHILD.with_choice(group="C4", augmentations=("shear",), size=1.5, stages=(2.0, 1.0)))


@pytest.fixture(scope="module")
def wide():
    return GCNNSpace(CHILD, groups=("D4", "C1", "C2"), kernel_sizes=(5, 3), stage_widths=(0.5, 1.0, 2.0))


@pytest.fixture(scope="module")
def small():
    return GCNNSpace(CHILD, groups=("D4", "C1"), stage_widths=(2.0, 1.0))


def test_the_published_space(space):
    assert space.sizes == (2,) * 10
    assert space.states == 1024
    assert len(space.classes) == 768
    assert sum(c.states for c in space.classes) == 1024
    assert len({c.key for c in space.classes}) == 768
    assert [place.name for place in space.places] == [
        *("rot90", "vflip", "hflip"),
        *(f"augment {name}" for name in AUGMENTATIONS),
        "size",
    ]


def test_every_state_has_the_child_of_its_choices(space):
    for state in itertools.product((0, 1), repeat=10):
        spec = space.spec_of(state)
        assert spec.group == GROUPS[state[:3]]
        assert spec.augmentations == tuple(n for n, bit in zip(AUGMENTATIONS, state[3:9], strict=True) if bit)
        assert spec.size == (1.5 if state[9] else 1.0)
        assert (spec.stages, spec.kernel_size, spec.seed) == ((1.0, 1.0), 3, 3)


def test_published_widths_have_a_network_of_all_three_group_bits():
    space = GCNNSpace(GCNNSpec(widths="published"))
    assert len(space.classes) == 7 * 2**7
    assert sum(c.states for c in space.classes) == 1024
    assert {s.states for s in space.classes} == {1, 2}  # D4 has the codes of rot90 with either flip
    doubled = {state: space.spec_of((*state, *(0,) * 7)).doubled for state in GROUPS}
    assert {state for state, is_doubled in doubled.items() if is_doubled} == {(1, 1, 1)}
    for state, group in GROUPS.items():
        spec = space.spec_of((*state, *(0,) * 7))
        assert space.factors(spec)["group"] == group + " twice" * (state == (1, 1, 1))
    named = GCNNSpace(GCNNSpec(widths="published"), groups=("C1", "D4"))
    assert not any(named.spec(c).doubled for c in named.classes)


@pytest.mark.parametrize("which", ["space", "small"])
def test_classes_are_the_states_with_one_key(which, request):
    space = request.getfixturevalue(which)
    states = list(itertools.product(*(range(size) for size in space.sizes)))
    assert len(states) == space.states
    keys = [space.spec_of(state).class_key for state in states]
    assert {c.key: c.states for c in space.classes} == Counter(keys)
    fewest = {}
    for state, key in zip(states, keys, strict=True):
        changes = sum(choice > 0 for choice in state)
        fewest[key] = min(changes, fewest.get(key, changes))
    for network_class in space.classes:
        assert space.spec(network_class).class_key == network_class.key
        assert sum(choice > 0 for choice in network_class.representative) == fewest[network_class.key]
    assert len({space.number_of(state) for state in states}) == space.states


@pytest.mark.parametrize("which", ["space", "small", "wide"])
def test_the_baseline_is_choice_zero_everywhere(which, request):
    space = request.getfixturevalue(which)
    assert space.baseline.representative == (0,) * len(space.sizes)
    spec = space.spec(space.baseline)
    assert spec == space.child
    assert (spec.group, spec.augmentations, spec.size, spec.stages) == ("C1", (), 1.0, (1.0, 1.0))
    assert spec.kernel_size == (5 if which == "wide" else 3)
    assert which == "wide" or space.classes[0] == space.baseline


def test_a_wider_space(wide):
    assert wide.sizes == (3, *(2,) * 7, 2, 3, 3)
    spec = wide.spec_of((1, *(0,) * 6, 1, 1, 2, 1))
    assert (spec.group, spec.size, spec.kernel_size, spec.stages) == ("D4", 1.5, 3, (2.0, 0.5))
    assert wide.labels((1, *(0,) * 6, 1, 1, 2, 1))[:2] == ("group D4", "augment rotation")
    assert wide.labels((1, *(0,) * 6, 1, 1, 2, 1))[7:] == ("size x1.5", "kernel 3x3", "stage 1 x2", "stage 2 x0.5")
    assert GCNNSpace(CHILD, groups=ALL_TEN).states == 1280


def test_groups_of_the_other_backend():
    child = CHILD.with_choice(backend="escnn")
    space = GCNNSpace(child, groups=("C1", "C8", "D8", "SO2"))
    assert {space.spec(c).group for c in space.classes} == {"C1", "C8", "D8", "SO2"}
    with pytest.raises(SpecError, match=r"group D1v is on offer but cannot be built: .*Name the groups"):
        GCNNSpace(child)


def test_classes_need_no_widths(space):
    assert all("fields" not in vars(space.spec(c)) for c in space.classes[:20])


@pytest.mark.parametrize(
    ("moves", "group"),
    [
        ((), "C1"),
        (("rot90",), "C4"),
        (("rot180",), "C2"),
        (("hflip",), "D1"),
        (("vflip",), "D1v"),
        (("transpose",), "D1d"),
        (("rot90", "hflip"), "D4"),
        (("hflip", "vflip"), "D2"),
        (("transpose", "rot180"), "D2d"),
        (("hshift(1/4)",), None),
        (("rot90", "swap_lr"), None),
    ],
)
def test_the_child_of_moves(space, moves, group):
    spec = space.spec_of_moves(moves)
    assert spec == (None if group is None else CHILD.with_choice(group=group))


@pytest.mark.parametrize("move", ["rot90", "rot180", "hflip", "vflip", "transpose"])
def test_a_moves_group_moves_pixels_as_the_generator_does(space, move):
    group = PlanarGroup.of(space.spec_of_moves((move,)).group)
    (generator,) = Decomposition.of([move]).generators
    assert any((element.permutation(5) == generator.permutation(5)).all() for element in group.elements)


@settings(max_examples=50)
@given(state=st.tuples(*(st.integers(0, size - 1) for size in (3, *(2,) * 8, 3, 3))))
def test_factors_say_what_was_chosen(wide, state):
    spec = wide.spec_of(state)
    factors = wide.factors(spec)
    assert list(factors) == [
        "group",
        *(f"augment {name}" for name in AUGMENTATIONS),
        *("size", "kernel", "stage 1", "stage 2"),
    ]
    assert factors["group"] == spec.group
    assert [factors[f"augment {name}"] for name in AUGMENTATIONS] == [
        "yes" if name in spec.augmentations else "no" for name in AUGMENTATIONS
    ]
    assert factors["size"] == f"x{spec.size:g}"
    assert factors["kernel"] == f"{spec.kernel_size}x{spec.kernel_size}"
    assert (factors["stage 1"], factors["stage 2"]) == tuple(f"x{factor:g}" for factor in spec.stages)


def test_what_all_children_have_alike_is_no_factor(space):
    assert list(space.factors(space.child))[-1] == "size"


@pytest.mark.parametrize(
    ("side", "kernel_sizes", "padding", "pooled"),
    [
        (28, (3, 5), "none", {}),
        (32, (3, 5), "none", {}),
        (8, (3,), "same", {}),
        (29, (3,), "none", {3: 25}),
        (27, (3, 2), "none", {3: 23, 2: 25}),
        (10, (3, 5), "same", {3: 5, 5: 5}),
    ],
)
def test_pooling_that_leaves_a_rest_is_remarked(side, kernel_sizes, padding, pooled):
    child = CHILD.with_choice(side=side, padding=padding)
    remarks = GCNNSpace(child, kernel_sizes=kernel_sizes).remarks()
    expected = [f"with kernel_size {k} maps of side {odd} are pooled by 2" for k, odd in pooled.items()]
    assert [remark.partition(":")[0] for remark in remarks] == expected


@pytest.mark.parametrize("which", ["space", "small"])
def test_another_seed_another_space_of_the_same_choices(which, request):
    space = request.getfixturevalue(which)
    other = space.with_seed(8)
    assert other.child == space.child.with_seed(8)
    assert other.places == space.places
    assert other.classes == space.classes


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"groups": "all"}, r"groups is 'all' but must be 'bits', or a list of names"),
        ({"groups": []}, "groups is empty"),
        ({"groups": ["C4"]}, r"groups is \['C4'\], without 'C1'; add it"),
        ({"groups": ["C1", "C4", "C4"]}, "offers 'C4' more than once"),
        ({"groups": ["C1", "C5"]}, "group C5 is on offer but cannot be built: unknown planar group 'C5'"),
        ({"groups": ["C1", "C8"]}, "group C8 is on offer but cannot be built: .*escnn"),
        ({"kernel_sizes": []}, "kernel_sizes is empty"),
        ({"kernel_sizes": [3, 3]}, "offers 3 more than once"),
        ({"kernel_sizes": [3, 11]}, "cannot be built: .*too small"),
        ({"stage_widths": [2.0]}, r"stage_widths is \[2.0\], without 1.0"),
        ({"stage_widths": [1.0, -1.0]}, "cannot be built: .*give a factor above 0"),
    ],
)
def test_wrong_choices_are_named(arguments, message):
    with pytest.raises(SpecError, match=message):
        GCNNSpace(CHILD, **arguments)


def test_sizes_that_come_to_the_same_fields_are_one_network():
    space = GCNNSpace(GCNNSpec(width=20), groups=["C1"], augmentations=[], stage_widths=[1, 1.5])
    by_fields = {}
    for state in itertools.product(*map(range, space.sizes)):
        spec = space.spec_of(state)
        by_fields.setdefault(spec.fields, set()).add((spec.class_key, spec.key))
    assert len(by_fields) == 7 < space.states == 8, "x1.5 is x1 with both stages x1.5"
    assert all(len(keys) == 1 for keys in by_fields.values())
    assert sorted(c.states for c in space.classes) == [1] * 6 + [2]
    assert {c.key for c in space.classes} == {key for keys in by_fields.values() for key, _ in keys}


def test_a_single_group_takes_no_place():
    space = GCNNSpace(GCNNSpec(), groups=["C1"], augmentations=["hflip"], size_factors=[1])
    assert [place.name for place in space.places] == ["augment hflip"]
    assert [c.representative for c in space.classes] == [(0,), (1,)]


def test_groups_that_cannot_be_levelled_are_named():
    (remark,) = [text for text in GCNNSpace(GCNNSpec(width=4)).remarks() if "D4" in text]
    assert "1.49 times the parameters of C1's" in remark
    assert not GCNNSpace(GCNNSpec(width=20)).remarks()


def test_stages_of_published_widths_are_refused():
    with pytest.raises(SpecError, match=r"stages is \[2\.0, 1\.0\], but the published widths have none"):
        GCNNSpec(widths="published", stages=(2.0, 1.0))


def test_widths_beyond_all_measure_are_refused():
    with pytest.raises(SpecError, match=r"is 2e\+309|inf fields|at most 10,000"):
        GCNNSpec(size=1e308)


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("groups", 3),
        ("groups", None),
        ("stage_widths", [1, "x"]),
        ("stage_widths", 2),
        ("size_factors", [True]),
        ("kernel_sizes", 3),
        ("kernel_sizes", "3"),
        ("augmentations", 3),
        ("augmentations", "hflip"),
        ("augmentations", [1]),
    ],
)
def test_choices_that_are_no_lists_are_named(argument, value):
    child = GCNNSpec(side=8, padding="same")
    with pytest.raises(SpecError, match=argument.rstrip("s")):
        GCNNSpace(child, **{argument: value})
    with pytest.raises(SpecError, match=rf"^(?!space is).*{argument.rstrip('s')}"):
        space_from_json({"child": child.to_json(), argument: value}, GCNNSpace)
