"""Data sets as tensors: loaded, moved and split once. The test split is only ever read through `load_test_split`."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from aen._typing import Float, Int
from aen.data.spec import DataSpec
from aen.data.transforms import move_images
from aen.errors import DataError, did_you_mean


@dataclass(frozen=True, eq=False)
class Split:
    """Images and labels of one part of a data set.

    Attributes:
        images: shape ``[n, channels, side, side]``, float32.
        labels: shape ``[n]``, int64, below the number of classes.
    """

    images: Float[Tensor, "n channels side side"]
    labels: Int[Tensor, " n"]

    def to(self, device: str | torch.device) -> "Split":
        """Return the split on a device."""
        return Split(self.images.to(device), self.labels.to(device))


@dataclass(frozen=True, eq=False)
class Dataset:
    """What a search may look at: the training and the validation split, never the test split.

    Attributes:
        spec: where it came from.
        classes: number of classes.
        train: the images to learn from.
        validation: the images that choose.
    """

    spec: DataSpec
    classes: int
    train: Split
    validation: Split

    @property
    def side(self) -> int:
        """Side of the images."""
        return self.train.images.shape[-1]

    def to(self, device: str | torch.device) -> "Dataset":
        """Return the data set on a device."""
        return Dataset(self.spec, self.classes, self.train.to(device), self.validation.to(device))


def _digits() -> Split:
    """scikit-learn's digits: 1,797 handwritten digits, 8x8, 17 grey levels (embedded, nothing to download)."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    pixels = torch.from_numpy((images / 16).astype(np.float32)).reshape(-1, 1, 8, 8)
    return Split(pixels, torch.from_numpy(labels.astype(np.int64)))


@dataclass(frozen=True)
class Source:
    """A data set by name.

    Attributes:
        load: returns all images, before moves and split.
        side: side of the images.
        classes: number of classes.
    """

    load: Callable[[], Split]
    side: int
    classes: int


SOURCES: Mapping[str, Source] = {"digits": Source(_digits, side=8, classes=10)}


def find_source(name: str) -> Source:
    """Return the source of a data set.

    Raises:
        DataError: no data set of this name.
    """
    if name not in SOURCES:
        raise DataError(f"unknown data set {name!r}{did_you_mean(name, SOURCES)}.")
    return SOURCES[name]


@functools.lru_cache(maxsize=4)
def _load_splits(spec: DataSpec) -> tuple[Split, Split, Split]:
    everything = find_source(spec.name).load()
    sizes = {"train": spec.train, "validation": spec.validation, "test": spec.test}
    n = len(everything.labels)
    for part, size in sizes.items():
        if size < 1:
            raise DataError(f"data.{part} is {size}; each split needs at least 1 image.")
    if sum(sizes.values()) > n:
        raise DataError(
            f"data set {spec.name!r} has {n} images, too few for {spec.train} train + {spec.validation} validation + "
            f"{spec.test} test = {sum(sizes.values())}; ask for fewer."
        )
    images = move_images(everything.images, spec.moves, angles=spec.angles, seed=spec.moves_seed)
    shuffled = torch.from_numpy(np.random.default_rng(spec.split_seed).permutation(n))
    parts = torch.split(shuffled[: sum(sizes.values())], list(sizes.values()))
    # Standardised with two numbers for all pixels, so that no symmetry is lost, from the training images alone.
    mean, deviation = images[parts[0]].mean(), images[parts[0]].std().clamp_min(1e-6)
    train, validation, test = (Split((images[part] - mean) / deviation, everything.labels[part]) for part in parts)
    return train, validation, test


def load_dataset(spec: DataSpec) -> Dataset:
    """Return the training and validation split of a data set, on the CPU.

    Raises:
        DataError: unknown name, or too few images for the split.
        GroupError: a move that does not exist on the images.
    """
    train, validation, _ = _load_splits(spec)
    return Dataset(spec, find_source(spec.name).classes, train, validation)


def load_test_split(spec: DataSpec) -> Split:
    """Return the test split. Only the final measurement of a search may call this, once."""
    return _load_splits(spec)[2]
