"""Data sets as tensors: loaded, moved and split. The test split is available from `load_test_split` only."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np
import torch
from torch import Tensor

from aen._typing import Float, Int, IntArray
from aen.data.find import data_folders
from aen.data.own.split import grouped_split, unused_places
from aen.data.pool import Pool
from aen.data.preprocessing import Preprocessing
from aen.data.registry import find_source
from aen.data.source import Source
from aen.data.spec import DataSpec
from aen.data.transforms import move_images
from aen.errors import DataError
from aen.groups.grid import Grid, as_grid, grid_text


@dataclass(frozen=True, eq=False)
class Split:
    """Images and labels of one part of a data set.

    Attributes:
        images: shape ``[n, channels, rows, columns]``, float32.
        labels: shape ``[n]``, int64, below the number of classes.
    """

    images: Float[Tensor, "n channels rows columns"]
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
        """Side of the images.

        Raises:
            DataError: the images are not square; see `grid`.
        """
        if isinstance(self.grid, int):
            return self.grid
        raise DataError(f"the images are {grid_text(self.grid)}, which is no square and has no side; use dataset.grid.")

    @property
    def grid(self) -> Grid:
        """Rows and columns of the images; the side of square ones."""
        return as_grid(tuple(self.train.images.shape[-2:]))

    def to(self, device: str | torch.device) -> "Dataset":
        """Return the data set on a device."""
        return replace(self, train=self.train.to(device), validation=self.validation.to(device))


class _Loaded(NamedTuple):
    train: Split
    validation: Split
    test: Split
    preprocessing: Preprocessing


# What was used last, by spec and data folders; the oldest first.
_RECENT: dict[tuple[DataSpec, tuple[Path, ...]], _Loaded] = {}
_MAX_RECENT = 2
_READS = 32  # of the images of a part from a mapped file


def _load_splits(spec: DataSpec, source: Source | None = None) -> _Loaded:
    key = (spec, data_folders())
    loaded = _RECENT.pop(key, None) or _split(spec, source or find_source(spec.name, spec.rules))
    _RECENT[key] = loaded
    for oldest in list(_RECENT)[:-_MAX_RECENT]:
        _RECENT.pop(oldest, None)
    return loaded


def _split(spec: DataSpec, source: Source) -> _Loaded:
    pool = source.load()
    parts = _choose(spec, pool)
    if spec.all_training:
        parts[0] = np.concatenate([parts[0], _unused(pool, parts)])
    preprocessing, splits = None, []
    for places in parts:  # the training part first; one at a time, for the memory
        # Only the selected images are moved; the draw for each depends on its place in the data set alone.
        images, labels = _images_at(pool, places), pool.labels[torch.from_numpy(places)]
        if pool.turned is not None:
            images = move_images(images, ["rot90"], angles="any", seed=pool.turned, places=places)
        images = move_images(
            images, spec.moves, angles=spec.angles, seed=spec.moves_seed, places=places, share=spec.moved
        )
        preprocessing = preprocessing or Preprocessing.of(images)
        splits.append(Split(preprocessing.apply(images), labels))
    train, validation, test = splits
    return _Loaded(train, validation, test, cast("Preprocessing", preprocessing))


def _images_at(pool: Pool, places: IntArray) -> Tensor:
    """Return the images at some places; of a mapped file only a part is in memory at a time."""
    if pool.release is None:
        return pool.images[torch.from_numpy(places)]
    found = torch.empty((len(places), *pool.images.shape[1:]), dtype=pool.images.dtype)
    source, target = pool.images.numpy(), found.numpy()
    for some in np.array_split(np.argsort(places, kind="stable"), _READS):  # in the order of the file
        target[some] = source[places[some]]
        pool.release()
    return found


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


def _unused(pool: Pool, parts: list[IntArray]) -> IntArray:
    """Return the places of the images that are in none of the parts and may be training images."""
    if pool.grouping is not None:
        return unused_places(pool.grouping, parts)
    offered = len(pool.labels) if pool.official_train is None else pool.official_train  # the official test set stays
    return np.setdiff1d(np.arange(offered), np.concatenate(parts))


def _check_enough(spec: DataSpec, available: int, what: str, wanted: list[tuple[str, int]]) -> None:
    total = sum(size for _, size in wanted)
    if total > available:
        summed = " + ".join(f"{size} {part}" for part, size in wanted)
        equals = f" = {total}" if len(wanted) > 1 else ""
        raise DataError(f"data set {spec.name!r} has {available} {what}, too few for {summed}{equals}; ask for fewer.")


def load_dataset(spec: DataSpec) -> Dataset:
    """Return the training and validation split of a data set, on the CPU.

    Raises:
        DataError: unknown name, files that are missing or damaged, or too few images for the split.
        GroupError: a move that does not exist on the images.
    """
    source = find_source(spec.name, spec.rules)
    loaded = _load_splits(spec, source)
    return Dataset(spec, source.classes, loaded.train, loaded.validation, source.class_names)


def load_test_split(spec: DataSpec) -> Split:
    """Return the test split. Only the final measurement of a search may call this, once."""
    return _load_splits(spec).test


def preprocessing_of(spec: DataSpec) -> Preprocessing:
    """Return how the pixels of a data set are standardised: by mean and deviation of its training images.

    Raises:
        DataError: as for `load_dataset`.
    """
    return _load_splits(spec).preprocessing
