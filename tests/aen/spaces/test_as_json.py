"""Spaces as JSON values."""

import json

import pytest

from aen.children import DenseSpec, EquiNASSpec, GCNNSpec
from aen.errors import SpecError
from aen.groups import Alphabet, Generator
from aen.spaces import (
    DecompositionSpace,
    GCNNSpace,
    LayerwiseDecompositionSpace,
    RelaxationSpace,
    Space,
    space_from_json,
    space_to_json,
)

MINE = Generator.from_permutations("mine", [[1, 0, 3, 2]])
ALPHABET = Alphabet.of(["mine", "rot90"], {"mine": MINE})
GCNN = GCNNSpec(side=8, padding="same", width=2)
SPACES = [
    DecompositionSpace(DenseSpec(grids=(2, 2), seed=3), ALPHABET),
    LayerwiseDecompositionSpace(DenseSpec(grids=(2, 2, 2)), ALPHABET),
    GCNNSpace(GCNN),
    GCNNSpace(
        GCNN, groups=["C1", "D4"], augmentations=["hflip"], size_factors=[1], kernel_sizes=[5, 3], stage_widths=[1, 2]
    ),
    RelaxationSpace(EquiNASSpec(side=8, kernel_size=3), ["D4", "C4", "C1"]),
]


@pytest.mark.parametrize("space", SPACES, ids=lambda space: type(space).__name__)
def test_a_space_is_read_from_its_json(space):
    value = json.loads(json.dumps(space_to_json(space)))
    for expected in (Space, type(space)):
        found = space_from_json(value, expected)
        assert type(found) is type(space)
        assert (found.sizes, found.place_names, found.child) == (space.sizes, space.place_names, space.child)
        state = [size - 1 for size in space.sizes]
        assert found.spec_of(state).key == space.spec_of(state).key
        assert space_to_json(found) == space_to_json(space)
    del value["kind"]
    assert space_to_json(space_from_json(value, type(space))) == space_to_json(space)
    with pytest.raises(SpecError, match="space has the unknown kind 'Space'"):
        space_from_json(value, Space)


def test_arguments_that_are_left_out_have_their_defaults():
    found = space_from_json({"child": {"side": 8, "padding": "same"}}, GCNNSpace)
    assert found.states == 1024


def test_spaces_of_other_classes_have_no_json():
    class Other(GCNNSpace):
        pass

    assert space_to_json(Other(GCNN)) is None


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({}, "space has no child; give it a dict"),
        ({"kind": "GCNNSpac", "child": {}}, r"unknown kind 'GCNNSpac' \(did you mean 'GCNNSpace'\?\)"),
        ({"kind": ["GCNNSpace"], "child": {}}, "unknown kind"),
        ({"kind": "RelaxationSpace", "child": {}}, "has the kind 'RelaxationSpace', but a GCNNSpace is expected"),
        ({"child": {}, "group": "C4"}, r"unknown field 'group' \(did you mean 'groups'\?\)"),
        ({"child": {"kind": "dense"}}, "kind is 'dense', but a GCNNSpec is expected"),
        ({"child": {"side": 28}, "groups": 5}, "groups is 5, of type int, but must be"),
        (5, "space is 5, of type int, which cannot be read"),
    ],
)
def test_what_cannot_be_read_is_named(value, message):
    with pytest.raises(SpecError, match=message):
        space_from_json(value, GCNNSpace)
