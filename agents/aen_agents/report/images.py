"""The report's images: some of the training images, and what the winner's transformations do to them."""

import base64
import io
from dataclasses import dataclass

import torch
from matplotlib.image import imsave
from torch import Tensor

from aen.children import ChildSpec
from aen.data import Split
from aen.groups.generators import Generator
from aen.groups.plain_words import in_words
from aen.nn.equivariance import move
from aen_agents.report.picture import Table

MOST_IMAGES = 6
_COLOURS = 3  # channels of a colour image


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
        strips: the images as they are, then a row for each generator.
        table: the generators.
    """

    words: str
    group: str
    strips: tuple[Strip, ...]
    table: Table


def some_images(split: Split, count: int = 2 * MOST_IMAGES) -> Strip:
    """Return the first images of a split with their labels."""
    labels = split.labels[:count].tolist()
    images = tuple(
        Image(_address(image), f"training image of class {label}", str(label))
        for image, label in zip(split.images[:count], labels, strict=True)
    )
    return Strip("", "", images)


def winner_action(winner: ChildSpec, split: Split) -> WinnerAction | None:
    """Return what each generator of the winner's symmetries does to a training image of each of the first classes.

    None if it has no symmetry, or none that moves pixels onto pixels.
    """
    generators = tuple(dict.fromkeys(g for symmetry in winner.symmetries for g in symmetry.generators))
    if not generators:
        return None
    chosen = _one_of_each_class(split)
    side = split.images.shape[-1]
    numbers = range(1, len(chosen) + 1)
    originals = tuple(
        Image(_address(split.images[i]), f"training image {n}, class {label}", f"class {label}")
        for n, i, label in zip(numbers, chosen, split.labels[chosen].tolist(), strict=True)
    )
    strips = [Strip("Training images", "", originals)]
    for generator in generators:
        moved = _moved(split.images[chosen], generator)
        images = tuple(
            Image(_address(image), f"training image {n} after {in_words(generator)}", "")
            for n, image in zip(numbers, moved, strict=True)
        )
        strips.append(Strip(f"After {in_words(generator)}", generator.name, images))
    cells = torch.arange(side * side)
    table = Table.of(
        ("transformation", "name", "repeated so often it does nothing", "pixels that it moves"),
        [
            (
                in_words(generator),
                generator.name,
                generator.order(side),
                f"{100 * float((move(cells[None], generator.permutation(side))[0] != cells).float().mean()):.0f} %",
            )
            for generator in generators
        ],
        texts=2,
    )
    return WinnerAction(_words(winner), winner.group, tuple(strips), table)


def _words(winner: ChildSpec) -> str:
    return "; ".join(dict.fromkeys(in_words(symmetry) for symmetry in winner.symmetries))


def _one_of_each_class(split: Split) -> list[int]:
    """Return the places of the first image of each of the first classes; more images of them if these are few."""
    labels = split.labels.tolist()
    firsts = list({label: place for place, label in reversed(list(enumerate(labels)))}.items())
    chosen = [place for _, place in sorted(firsts)[:MOST_IMAGES]]
    rest = (place for place in range(len(labels)) if place not in chosen)
    return chosen + [place for place, _ in zip(rest, range(MOST_IMAGES - len(chosen)), strict=False)]


def _moved(images: Tensor, generator: Generator) -> Tensor:
    permutation = generator.permutation(images.shape[-1])
    return move(images.flatten(2), permutation).view_as(images)


def _address(image: Tensor) -> str:
    """Return an image ``[channels, rows, columns]`` as a PNG file in a ``data:`` address; its pixels fill the range."""
    lowest, highest = image.amin(), image.amax()
    pixels = ((image - lowest) / (highest - lowest).clamp(min=1e-6)).permute(1, 2, 0).numpy()
    file = io.BytesIO()
    shown = pixels if pixels.shape[2] == _COLOURS else pixels[:, :, 0]
    imsave(file, shown, format="png", cmap="gray", vmin=0, vmax=1)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
