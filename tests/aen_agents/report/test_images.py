"""The images of a report: what the winner's transformations do to training images."""

import base64
import io

import numpy as np
import numpy.typing as npt
import pytest
import torch
from matplotlib.image import imread

from aen.children import ChildSpec, DenseSpec, GCNNSpec
from aen.data import Dataset, DataSpec, Split
from aen.groups import Decomposition
from aen_agents.report.images import Image, some_images, winner_action


def pixels(image: Image) -> npt.NDArray[np.float64]:
    head, _, content = image.address.partition(",")
    assert head == "data:image/png;base64"
    found: npt.NDArray[np.float64] = imread(io.BytesIO(base64.b64decode(content)), format="png")[..., :3]
    return found


def dataset(channels: int, rows: int, columns: int, names: tuple[str, ...] = ()) -> Dataset:
    count = 40
    images = torch.rand(count, channels, rows, columns, generator=torch.Generator().manual_seed(0))
    split = Split(images, torch.arange(count) % 8)
    return Dataset(DataSpec(), 8, split, split, names)


@pytest.mark.parametrize(
    ("spec", "channels", "grid", "turned"),
    [
        (DenseSpec(grids=(8, 4), decomposition=Decomposition.of(["rot90", "hflip"])), 1, (8, 8), True),
        (DenseSpec(grids=((6, 8), 4), decomposition=Decomposition.of(["hflip"])), 1, (6, 8), False),
        (GCNNSpec(side=8, channels=3, group="D4", padding="same"), 3, (8, 8), True),
    ],
    ids=["grey", "rectangles", "colour"],
)
def test_each_generator_moves_the_images(spec: ChildSpec, channels: int, grid: tuple[int, int], turned: bool) -> None:
    action = winner_action(spec, dataset(channels, *grid))
    assert action is not None
    assert action.everywhere
    plain, *moved = action.strips
    by_name = {strip.detail: strip.images for strip in moved}
    assert set(by_name) == {"rot90", "hflip"} if turned else {"hflip"}
    for place, image in enumerate(plain.images):
        assert pixels(image).shape == (*grid, 3)
        np.testing.assert_allclose(pixels(by_name["hflip"][place]), pixels(image)[:, ::-1])
        if turned:
            after = pixels(by_name["rot90"][place])
            assert any(np.allclose(after, np.rot90(pixels(image), turns)) for turns in (1, 3))
            assert not np.allclose(after, pixels(image))
        assert by_name["hflip"][place].alt == f"training image {place + 1} after horizontal flips"
    assert [row[1] for row in action.table.rows] == list(by_name)


def test_the_images_are_of_different_classes_and_named() -> None:
    names = tuple(f"<class {label}>" for label in range(8))
    action = winner_action(DenseSpec(grids=(8, 4), decomposition=Decomposition.of(["hflip"])), dataset(1, 8, 8, names))
    assert action is not None
    assert [image.label for image in action.strips[0].images] == list(names[:6])
    assert [image.label for image in some_images(dataset(1, 8, 8)).images][:3] == ["0", "1", "2"]


def test_without_symmetry_there_is_nothing_to_show() -> None:
    assert winner_action(DenseSpec(grids=(8, 4)), dataset(1, 8, 8)) is None


def test_layers_that_share_nothing_show_what_some_of_them_have() -> None:
    layers = (Decomposition.of(["rot90"]), Decomposition())
    action = winner_action(DenseSpec(grids=(8, 4, 4), layers=layers), dataset(1, 8, 8))
    assert action is not None
    assert not action.everywhere
    assert [strip.detail for strip in action.strips] == ["", "rot90"]


def test_a_signal_is_high_enough_to_be_seen() -> None:
    spec = DenseSpec(grids=((1, 64), 4), decomposition=Decomposition.of(["hflip"]))
    action = winner_action(spec, dataset(1, 1, 64))
    assert action is not None
    assert pixels(action.strips[0].images[0]).shape == (16, 64, 3)
