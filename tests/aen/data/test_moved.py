"""data.moved: the share of the images that the moves are applied to."""

import pytest
import torch

from aen.children import DenseSpec
from aen.data import DataSpec, load_dataset
from aen.errors import DataError


def test_it_reaches_the_images_and_the_key():
    whole = DataSpec("digits", moves=("rot180",))
    part = DataSpec("digits", moves=("rot180",), moved=0.5)
    assert "moved" not in whole.to_json()
    assert part.to_json()["moved"] == 0.5
    assert DataSpec.from_json(part.to_json()) == part
    assert DenseSpec(data=whole).key != DenseSpec(data=part).key
    assert not torch.equal(load_dataset(whole).train.images, load_dataset(part).train.images)
    assert torch.equal(load_dataset(whole).train.labels, load_dataset(part).train.labels)


def test_without_moves_it_changes_nothing():
    assert DataSpec("digits", moved=0.5) == DataSpec("digits")


@pytest.mark.parametrize("value", [0, -0.1, 1.5, float("nan"), True, "half", None])
def test_wrong_shares_are_refused(value):
    with pytest.raises(DataError, match=r"data.moved is .*; it must be a share of the images, above 0 and up to 1"):
        DataSpec("digits", moves=("hflip",), moved=value)
