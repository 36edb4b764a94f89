"""Field types against permutations of a polygon's corners and torch's own moves."""

import pickle

import helpers.planar_cases as cases
import numpy as np
import pytest
import torch

from aen.errors import GroupError, SpecError
from aen.groups.planar import PlanarGroup
from aen.nn.fields import FieldType

every_group = pytest.mark.parametrize("group", cases.ALL)
every_pair = pytest.mark.parametrize(("subgroup", "group"), cases.PAIRS)


def moved_places(group, element):
    """Where an element carries each element of a group, by places: from the corners alone."""
    places = {cases.corners(own): place for place, own in enumerate(group.elements)}
    return [places[cases.after(cases.corners(element), own)] for own in places]


@every_group
def test_elements_move_regular_fields_by_multiplication(group):
    fields = FieldType.regular(group, 3)
    n = fields.base.order
    assert (fields.channels, fields.fields) == (3 * n, 3)
    for element in fields.base.elements[-8:]:
        expected = [o * n + place for o in range(3) for place in moved_places(fields.base, element)]
        assert cases.flat(fields.permutation(element)) == expected, element.name


@every_group
@pytest.mark.parametrize("kind", ["trivial", "regular"])
def test_permutations_multiply_as_the_elements_do(group, kind):
    fields = FieldType(PlanarGroup.of(group), PlanarGroup.of(group), 2, kind)
    elements = fields.group.elements[:8] + fields.group.elements[-3:]
    for a in elements:
        for b in elements:
            expected = fields.permutation(a)[fields.permutation(b)]
            assert np.array_equal(fields.permutation(a * b), expected), (a.name, b.name)
    if kind == "trivial":
        assert all(np.array_equal(fields.permutation(a), np.arange(2)) for a in elements)


@every_pair
def test_a_subgroup_sees_the_same_channels_as_more_fields(subgroup, group):
    before = FieldType.regular(group, 2)
    fields = before.regroup(subgroup)
    small, large = fields.group, fields.base
    index = large.order // small.order
    assert (small.name, large.name) == (subgroup, group)
    assert fields.channels == before.channels
    assert fields.fields == before.fields * index
    for element in small.elements:
        assert np.array_equal(fields.permutation(element), before.permutation(element))
    # Field (o, j) has the channels h t_j of o; the t_j are the first of their cosets.
    places = {cases.corners(own): place for place, own in enumerate(large.elements)}
    expected, met = [], set()
    for corner, place in places.items():
        if place not in met:
            coset = [places[cases.after(cases.corners(h), corner)] for h in small.elements]
            met |= set(coset)
            expected.append(coset)
    members = [[o * large.order + place for place in coset] for o in range(2) for coset in expected]
    assert fields.field_channels().tolist() == members
    assert fields.representatives().tolist() == [channels[0] for channels in members]
    assert sorted(fields.field_channels().reshape(-1).tolist()) == list(range(fields.channels))
    orbits = fields.field_orbits()
    assert orbits.count == len(members)
    assert all(set(orbits.labels[channels]) == {place} for place, channels in enumerate(members))


@every_pair
def test_a_field_is_an_orbit_of_channels(subgroup, group):
    fields = FieldType.regular(group, 2).regroup(subgroup)
    for element in fields.group.elements:
        permutation = fields.permutation(element)
        for channels in fields.field_channels():
            assert set(permutation[channels]) == set(channels), element.name


def test_trivial_fields_stay_where_they_are():
    fields = FieldType.trivial("D4", 3).regroup("C2")
    assert (fields.channels, fields.fields) == (3, 3)
    assert fields.field_channels().tolist() == [[0], [1], [2]]
    assert fields.field_orbits().count == 3


@every_pair
@pytest.mark.parametrize("kind", ["trivial", "regular"])
def test_transform_moves_images_as_torch_does(subgroup, group, kind):
    fields = FieldType(PlanarGroup.of(subgroup), PlanarGroup.of(group), 2, kind)
    x = cases.images(3, fields.channels, 5, 5)
    n = fields.base.order
    for element in fields.group.elements:
        expected = torch.empty_like(x)
        places = moved_places(fields.base, element)
        for o in range(2):
            for place in range(n if kind == "regular" else 1):
                here, there = (o * n + place, o * n + places[place]) if kind == "regular" else (o, o)
                expected[:, there] = cases.moved(x[:, here], element)
        assert torch.equal(fields.transform(x, element), expected), element.name
        assert torch.equal(fields.transform(x[..., 2, 2], element), expected[..., 2, 2]), element.name


def test_transform_takes_oblong_images_where_the_element_keeps_them():
    fields = FieldType.regular("D4", 1)
    x = cases.images(2, 8, 3, 5)
    half, quarter = fields.group.elements[1], fields.group.elements[2]
    assert torch.equal(fields.transform(fields.transform(x, half), half), x)
    assert not torch.equal(fields.transform(x, half), x)
    with pytest.raises(GroupError, match="r90 does not keep a 3x5 grid"):
        fields.transform(x, quarter)


@pytest.mark.parametrize(("subgroup", "group"), cases.FEW_PAIRS)
def test_transforms_compose(subgroup, group):
    fields = FieldType.regular(group, 1).regroup(subgroup)
    x = cases.images(1, fields.channels, 4, 4)
    for a in fields.group.elements:
        for b in fields.group.elements:
            assert torch.equal(fields.transform(fields.transform(x, b), a), fields.transform(x, a * b))


def test_equality_copies_and_text():
    fields = FieldType.regular("D4", 2)
    assert pickle.loads(pickle.dumps(fields)) == fields == FieldType.of_channels("D4", 16)  # noqa: S301
    assert len({fields, FieldType.regular("D4", 2), FieldType.regular("D4", 3), fields.regroup("C4")}) == 3
    assert fields.regroup("C4") != FieldType.regular("C4", 4)  # the same channels in another order
    assert fields.regroup("C4").regroup("D4") == fields
    assert str(fields.regroup("C4")) == "4 regular fields of C4"
    assert str(FieldType.trivial("C4", 3)) == "3 trivial fields of C4"


@pytest.mark.parametrize(("channels", "use"), [(20, "16 or 24"), (7, "8 or 8|8 or 16"), (0, "8 or")])
def test_channels_that_do_not_divide_are_refused(channels, use):
    with pytest.raises(SpecError, match=rf"^{channels} channels make no whole fields of D4, .*8 elements; use ({use})"):
        FieldType.of_channels("D4", channels)


@pytest.mark.parametrize("fields", [0, -1])
def test_types_without_fields_are_refused(fields):
    with pytest.raises(SpecError, match=rf"a feature map of {fields} regular fields has no channels; use at least 1"):
        FieldType.regular("C4", fields)
    with pytest.raises(SpecError, match=rf"a feature map of {fields} trivial fields has no channels"):
        FieldType.trivial("C4", fields)


def test_other_messages():
    fields = FieldType.regular("D4", 2)
    with pytest.raises(
        SpecError, match=r"x has shape \(1, 8, 4, 4\); its second dimension must be 16: 2 regular fields"
    ):
        fields.transform(torch.zeros(1, 8, 4, 4), fields.group.elements[1])
    with pytest.raises(SpecError, match=r"x has shape \(16,\); its second dimension must be 16"):
        fields.check_input(torch.zeros(16))
    with pytest.raises(GroupError, match="C8 is not a subgroup of D4"):
        fields.regroup("C8")
    with pytest.raises(GroupError, match="r90 is not an element of D2"):
        FieldType.regular("D2", 1).permutation(PlanarGroup.of("C4").elements[2])
    with pytest.raises(GroupError, match="unknown planar group 'D44'"):
        FieldType.regular("D44", 1)
