"""Data sets as tensors: loaded, moved and split. The test split is available from `load_test_split` only."""

import functools
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from aen._typing import Float, Int, IntArray
from aen.data.find import data_folders
from aen.data.own.split import grouped_split
from aen.data.pool import Pool
from aen.data.registry import find_source
from aen.data.spec import DataSpec
from aen.data.transforms import move_images
from aen.errors import DataError


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
    """The part of a data set that a search may use: the training and the validation split, never the test split.

    Attributes:
        spec: where it came from.
        classes: number of classes.
        train: the images to learn from.
        validation: the images that choose.
        class_names: names of the classes, where the data has any.
    """

    spec: DataSpec
    classes: int
    train: Split
    validation: Split
    class_names: tuple[str, ...] = ()

    @property
    def side(self) -> int:
        """Side of the images."""
        return self.train.images.shape[-1]

    def to(self, device: str | torch.device) -> "Dataset":
        """Return the data set on a device."""
        return replace(self, train=self.train.to(device), validation=self.validation.to(device))


@functools.lru_cache(maxsize=2)
def _load_splits(spec: DataSpec, _folders: tuple[Path, ...]) -> tuple[Split, Split, Split]:
    pool = find_source(spec.name, spec.rules).load()
    parts = _choose(spec, pool)
    places = np.concatenate(parts)
    # Only the selected images are moved; the draw for each depends on its place in the data set alone.
    images, labels = pool.images[torch.from_numpy(places)], pool.labels[torch.from_numpy(places)]
    if pool.turned is not None:
        images = move_images(images, ["rot90"], angles="any", seed=pool.turned, places=places)
    images = move_images(images, spec.moves, angles=spec.angles, seed=spec.moves_seed, places=places)
    images = _standardise(images, spec.train)
    sizes = [len(part) for part in parts]
    train, validation, test = (
        Split(*split) for split in zip(torch.split(images, sizes), torch.split(labels, sizes), strict=True)
    )
    return train, validation, test


def _choose(spec: DataSpec, pool: Pool) -> list[IntArray]:
    """Return the places of the training, validation and test images."""
    sizes = {"train": spec.train, "validation": spec.validation, "test": spec.test}
    for part, size in sizes.items():
        if size < 1:
            raise DataError(f"data.{part} is {size}; each split needs at least 1 image.")
    if pool.grouping is not None:
        return grouped_split(pool.grouping, list(sizes.values()), spec.split_seed, spec.name)
    n = len(pool.labels)
    official = pool.official_train
    if official is None:
        _check_enough(spec, n, "images", list(sizes.items()))
        shuffled = np.random.default_rng(spec.split_seed).permutation(n)
        ends = np.cumsum(list(sizes.values()))
        return np.split(shuffled[: ends[-1]], ends[:-1])
    # The official test set stays test.
    _check_enough(spec, official, "training images", [("train", spec.train), ("validation", spec.validation)])
    _check_enough(spec, n - official, "test images", [("test", spec.test)])
    learn = np.random.default_rng(spec.split_seed).permutation(official)[: spec.train + spec.validation]
    test = official + np.random.default_rng([spec.split_seed, 1]).permutation(n - official)[: spec.test]
    return [learn[: spec.train], learn[spec.train :], test]


def _check_enough(spec: DataSpec, available: int, what: str, wanted: list[tuple[str, int]]) -> None:
    total = sum(size for _, size in wanted)
    if total > available:
        summed = " + ".join(f"{size} {part}" for part, size in wanted)
        equals = f" = {total}" if len(wanted) > 1 else ""
        raise DataError(f"data set {spec.name!r} has {available} {what}, too few for {summed}{equals}; ask for fewer.")


def _standardise(images: Tensor, train: int) -> Tensor:
    """Standardise by one mean and deviation of all training pixels: per-pixel ones would break symmetries."""
    if images.dtype != torch.uint8:
        mean, deviation = images[:train].mean(), images[:train].std().clamp_min(1e-6)
        return (images - mean) / deviation
    # From counts of the 256 grey levels: exact, whatever the number of threads.
    counts = torch.bincount(images[:train].reshape(-1), minlength=256).double()
    levels = torch.arange(256, dtype=torch.float64)
    average = (counts * levels).sum() / counts.sum()
    variance = (counts * (levels - average) ** 2).sum() / (counts.sum() - 1).clamp_min(1)
    spread = (variance.sqrt() / 255).clamp_min(1e-6)
    return images.float().div_(255).sub_(float(average / 255)).div_(float(spread))


def load_dataset(spec: DataSpec) -> Dataset:
    """Return the training and validation split of a data set, on the CPU.

    Raises:
        DataError: unknown name, files that are missing or damaged, or too few images for the split.
        GroupError: a move that does not exist on the images.
    """
    train, validation, _ = _load_splits(spec, data_folders())
    source = find_source(spec.name, spec.rules)
    return Dataset(spec, source.classes, train, validation, source.class_names)


def load_test_split(spec: DataSpec) -> Split:
    """Return the test split. Only the final measurement of a search may call this, once."""
    return _load_splits(spec, data_folders())[2]
