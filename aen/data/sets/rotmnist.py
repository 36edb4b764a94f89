"""Rotated MNIST: MNIST turned by random angles, as published and as rebuilt from MNIST."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from aen.data.files import damaged
from aen.data.part import Part
from aen.data.sets import mnist
from aen.data.source import Download, Recipe, Source, file_source, layouts_in
from aen.data.text_table import TABLE_SIDE, read_table

if TYPE_CHECKING:
    from aen.data.pool import Pool

_IMAGES = (12_000, 50_000)
_FOLDER, _ARCHIVE = "mnist_rotation_new", "mnist_rotation_new.zip"
_FILES = tuple(f"mnist_all_rotation_normalized_float_{part}.amat" for part in ("train_valid", "test"))


def read_amat(paths: Sequence[Path]) -> list[Part]:
    """Read rotated MNIST: training + validation, then test. Each line has 784 pixels, columns first, and the label."""
    parts = []
    for path in paths:
        table = read_table(path, dtype=np.float32)
        labels = table[:, -1]
        if not np.isfinite(labels).all() or (labels != np.round(labels)).any():
            raise damaged(path, "a label, the last number of a line, is not a whole number")
        images = table[:, :-1].reshape(-1, 1, TABLE_SIDE, TABLE_SIDE).swapaxes(2, 3)
        parts.append(Part(images, labels.astype(np.int64), path, path))
    return parts


def rebuild_rotated(seed: int) -> "Pool":
    """Return rotated MNIST, rebuilt: MNIST's images drawn again into 12,000 + 50,000, each to be rotated by any angle.

    From an MNIST with fewer images the two parts keep their proportion.

    Args:
        seed: of the draw and of the angles.
    """
    import torch  # it takes seconds

    from aen.data.pool import Pool  # it imports torch

    pool = mnist.SOURCES["mnist"].load()
    n = min(len(pool.labels), sum(_IMAGES))
    train = n * _IMAGES[0] // sum(_IMAGES)
    chosen = torch.from_numpy(np.random.default_rng(seed).permutation(len(pool.labels))[:n])
    return Pool(pool.images[chosen], pool.labels[chosen], official_train=train, turned=seed)


SOURCES = {
    "rotmnist": file_source(
        "rotmnist",
        layouts_in([_FOLDER, "rotmnist", "."], _FILES, read_amat),
        side=28,
        classes=10,
        images=_IMAGES,
        recipe=Recipe(
            ("http://www.iro.umontreal.ca/~lisa/icml2007data/",),
            (
                Download(
                    _ARCHIVE,
                    _ARCHIVE,
                    "0f9a947ff3d30e95cd685462cbf3b847",
                    tuple((file, f"{_FOLDER}/{file}") for file in _FILES),
                ),
            ),
        ),
    ),
    "rotmnist-rebuilt": Source(lambda: rebuild_rotated(0), side=28, classes=10, images=_IMAGES, made_from="mnist"),
}
