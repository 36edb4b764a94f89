"""The report's images: some of the training images, and what the winner's transformations do to them."""

import base64
import io
from dataclasses import dataclass

import numpy as np
from matplotlib.image import imsave
from torch import Tensor

from aen._text import joined
from aen.children import ChildSpec
from aen.data import Dataset, Split
from aen.groups.plain_words import in_words
from aen.nn.equivariance import move
from aen_agents.report.picture import Table

MOST_IMAGES = 6
_COLOURS = 3  # channels of a colour image
_WIDEST = 4  # images are shown at most so many times wider than high


@dataclass(frozen=True)
class Image:
    """An image of the page.

    Attributes:
        address: the image itself, as a ``data:`` address.
        alt: what it shows, in words.
        label: what stands below it.
    """

    address: str
    alt: str
    label: str


@dataclass(frozen=True)
class Strip:
    """A row of images.

    Attributes:
        title: what stands above it.
        detail: the generator's name, or empty.
        images: the images.
    """

    title: str
    detail: str
    images: tuple[Image, ...]


@dataclass(frozen=True)
class WinnerAction:
    """What the winner's transformations do to training images.

    Attributes:
        words: the transformations in plain words.
        group: name of the winner's group.
        everywhere: whether every layer has them; otherwise some layers do.
        strips: the images as they are, then a row for each generator.
        table: the generators.
    """

    words: str
    group: str
    everywhere: bool
    strips: tuple[Strip, ...]
    table: Table


def some_images(dataset: Dataset, count: int = 2 * MOST_IMAGES) -> Strip:
    """Return the first training images with their classes."""
    names = [_class_name(dataset, label) for label in dataset.train.labels[:count].tolist()]
    images = tuple(
        Image(_address(image), f"training image of class {name}", name)
        for image, name in zip(dataset.train.images[:count], names, strict=True)
    )
    return Strip("", "", images)


def winner_action(winner: ChildSpec, dataset: Dataset) -> WinnerAction | None:
    """Return what each generator of the winner's symmetries does to a training image of each of the first classes.

    None if it has no symmetry, or none that moves pixels onto pixels.
    """
    of_all = tuple(winner.symmetries)
    of_some = dict.fromkeys(g for _, decomposition, _ in winner.tied_grids for g in decomposition.generators)
    generators = of_all or tuple(of_some)
    if not generators:
        return None
    chosen, grid = _one_of_each_class(dataset.train), dataset.grid
    images = dataset.train.images[chosen]
    names = [_class_name(dataset, label) for label in dataset.train.labels[chosen].tolist()]
    originals = tuple(
        Image(_address(image), f"training image {number}, class {name}", name)
        for number, (image, name) in enumerate(zip(images, names, strict=True), 1)
    )
    strips = [Strip("Training images", "", originals)]
    rows = []
    for generator in generators:
        words, permutation = in_words(generator, grid), generator.permutation(grid)
        moved = move(images.flatten(2), permutation).view_as(images)
        after = tuple(
            Image(_address(image), f"training image {number} after {words}", "")
            for number, image in enumerate(moved, 1)
        )
        strips.append(Strip(f"After {words}", generator.name, after))
        share = (permutation != np.arange(len(permutation))).mean()
        rows.append((words, generator.name, generator.order(grid), f"{100 * share:.0f} %"))
    columns = ("transformation", "name", "does nothing when repeated so often", "pixels that it moves")
    everywhere = bool(of_all) or not winner.tied_grids
    words = joined([in_words(generator, grid) for generator in generators])
    return WinnerAction(words, winner.group, everywhere, tuple(strips), Table.of(columns, rows, texts=2))


def _class_name(dataset: Dataset, label: int) -> str:
    return dataset.class_names[label] if label < len(dataset.class_names) else str(label)


def _one_of_each_class(split: Split) -> list[int]:
    """Return the places of the first image of each of the first classes; more images of them if these are few."""
    labels = split.labels.tolist()
    firsts: dict[int, int] = {}
    for place, label in enumerate(labels):
        firsts.setdefault(label, place)
    chosen = [firsts[label] for label in sorted(firsts)[:MOST_IMAGES]]
    rest = [place for place in range(len(labels)) if place not in chosen]
    return chosen + rest[: MOST_IMAGES - len(chosen)]


def _address(image: Tensor) -> str:
    """Return an image ``[channels, rows, columns]`` as a PNG file in a ``data:`` address; its pixels fill the range."""
    lowest, highest = image.amin(), image.amax()
    pixels = ((image - lowest) / (highest - lowest).clamp(min=1e-6)).permute(1, 2, 0).numpy()
    rows, columns = pixels.shape[:2]
    if columns > _WIDEST * rows:  # a signal, whose rows are its channels
        pixels = pixels.repeat(-(-columns // (_WIDEST * rows)), axis=0)
    file = io.BytesIO()
    shown = pixels if pixels.shape[2] == _COLOURS else pixels[:, :, 0]
    imsave(file, shown, format="png", cmap="gray", vmin=0, vmax=1)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
