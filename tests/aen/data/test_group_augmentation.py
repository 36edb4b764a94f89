import numpy as np
import pytest
import torch
from scipy.stats import chisquare

from aen.children import ChildSpec, EquiNASSpec
from aen.data.augmentation_names import check_group
from aen.data.group_augmentation import GroupAugmenter
from aen.errors import GroupError, SpecError
from aen.groups.planar import PlanarGroup
from aen.nn.fields import FieldType

GROUPS = ["C2", "C4", "D1", "D1v", "D2", "D4"]


def images(n, seed=0):
    return torch.rand(n, 2, 5, 5, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", GROUPS)
def test_every_image_is_moved_by_some_element_each_equally_often(name):
    group, given = PlanarGroup.of(name), images(1).expand(4000, 2, 5, 5)
    moved = GroupAugmenter(name, 3).epoch(given, 0)
    kind = FieldType.trivial(group, 2)
    counts = [int((moved == kind.transform(given[:1], e)).flatten(1).all(1).sum()) for e in group.elements]
    assert sum(counts) == 4000
    assert chisquare(counts).pvalue > 1e-4


def test_draws_depend_on_seed_epoch_and_place_alone():
    given = images(50)
    first = GroupAugmenter("D4", 1).epoch(given, 0)
    assert torch.equal(GroupAugmenter("D4", 1).epoch(given, 0), first)
    assert torch.equal(GroupAugmenter("D4", 1).epoch(given[:7], 0), first[:7])
    assert not torch.equal(GroupAugmenter("D4", 1).epoch(given, 1), first)
    assert not torch.equal(GroupAugmenter("D4", 2).epoch(given, 0), first)
    assert torch.equal(given, images(50)), "the given images stay"


@pytest.mark.parametrize(("name", "expected"), [("", ""), ("C1", ""), ("D1(1/2)", "D1v"), ("D4", "D4")])
def test_one_name_for_one_group(name, expected):
    assert check_group(name) == expected
    assert EquiNASSpec(augment=name) == EquiNASSpec(augment=expected)


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [("C8", SpecError, "augment is C8, which does not act exactly"), ("E4", GroupError, "unknown planar group 'E4'")],
)
def test_other_groups_are_refused(name, error, message):
    with pytest.raises(error, match=message):
        EquiNASSpec(augment=name)


def test_a_child_without_augmentation_keeps_its_key():
    plain, augmented = EquiNASSpec(), EquiNASSpec(augment="D4")
    assert "augment" not in plain.to_json()
    assert plain.key != augmented.key
    assert plain.class_key != augmented.class_key
    assert ChildSpec.from_json(augmented.to_json()) == augmented
    assert plain.augmenter("cpu") is None
    assert np.array_equal(augmented.augmenter("cpu").epoch(images(9), 2), GroupAugmenter("D4", 0).epoch(images(9), 2))
    assert augmented.with_groups(("C1",) * 8).augment == "D4"
