"""Pool: all images and labels of a data set, checked, before they are split, moved or standardised."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from aen._typing import Int, Num
from aen.data.own.split import Grouping
from aen.data.part import Part, check_labels
from aen.data.scale import scale_mismatch
from aen.errors import DataError


@dataclass(frozen=True, eq=False)
class Pool:
    """All images of a data set. An image's place in it decides how it is moved.

    Attributes:
        images: shape ``[n, channels, rows, columns]``; uint8 (0 to 255) or float32.
        labels: shape ``[n]``, int64, below the number of classes.
        official_train: the first so many images are the official training set, the others the official test set;
            None: there is no official split.
        turned: seed by which every image is to be turned by any angle before all else; None: not at all.
        grouping: what a grouped split needs to know of the images; None: the split is random.
        release: gives back memory that reading the images has taken.
    """

    images: Num[Tensor, "n channels rows columns"]
    labels: Int[Tensor, " n"]
    official_train: int | None = None
    turned: int | None = None
    grouping: Grouping | None = None
    release: Callable[[], None] | None = None


def pool_of(parts: Sequence[Part], *, side: int, channels: int, classes: int) -> Pool:
    """Check what was read and put it together.

    Args:
        parts: the training part and the test part, or one part without an official split.
        side: side that the images must have.
        channels: channels that they must have.
        classes: labels must be below.

    Raises:
        DataError: images and labels that do not fit together, a label out of range, a pixel that is not a number, or
            parts whose pixels differ in type or scale.
    """
    for part in parts:
        _check(part, (channels, side, side), classes)
    first = parts[0].images_file
    names = [part.name if part.name and part.images_file == first else part.where for part in parts[1:]]
    mismatch = scale_mismatch([(n, part.images) for n, part in zip([parts[0].where, *names], parts, strict=True)])
    if mismatch is not None:
        raise DataError(f"{mismatch}. Give all parts one type and one scale, such as uint8 from 0 to 255.")
    # One part is taken as it is: its images may be mapped from a file, and concatenation would read them all.
    images = np.ascontiguousarray(parts[0].images) if len(parts) == 1 else np.concatenate([p.images for p in parts])
    labels = np.concatenate([part.labels for part in parts]).astype(np.int64)
    return Pool(
        torch.from_numpy(images),
        torch.from_numpy(labels),
        official_train=len(parts[0].labels) if len(parts) > 1 else None,
    )


def _check(part: Part, shape: tuple[int, int, int], classes: int) -> None:
    check_labels(part.labels, len(part.images), classes, images_file=part.images_file, labels_file=part.labels_file)
    if part.images.shape[1:] != shape:
        found, expected = ("x".join(map(str, s)) for s in (part.images.shape[1:], shape))
        raise DataError(
            f"{part.images_file} has images of {found} (channels x rows x columns) where {expected} is expected; "
            "it is another data set's file. Put the right one there."
        )
    if part.images.dtype.kind == "f" and not np.isfinite(part.images).all():
        bad = int(np.argmin(np.isfinite(part.images).all(axis=(1, 2, 3))))
        raise DataError(
            f"{part.where}: image {bad} has a pixel that is NaN or infinite; "
            "repair the image or leave it out, then write the file again."
        )


def check_pool(pool: Pool, *, name: str, grid: tuple[int, int], channels: int, classes: int) -> None:
    """Check what another package has loaded; the readers of this one check their files themselves.

    Args:
        pool: what it has loaded.
        name: of the data set, for messages.
        grid: rows and columns that the images must have.
        channels: channels that they must have.
        classes: labels must be below.

    Raises:
        DataError: images or labels of another shape, type or range.
    """
    shape, labels = [len(pool.images), channels, *grid], pool.labels
    problem = None
    if pool.images.dtype not in {torch.uint8, torch.float32} or list(pool.images.shape) != shape:
        problem = (
            f"images of shape {list(pool.images.shape)} and type {pool.images.dtype}; expected {shape} "
            "of uint8 or float32"
        )
    elif labels.dtype != torch.int64 or list(labels.shape) != shape[:1]:
        problem = f"labels of shape {list(labels.shape)} and type {labels.dtype}; expected {shape[:1]} of int64"
    elif len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < classes:
        problem = f"labels from {int(labels.min())} to {int(labels.max())}; expected 0 to {classes - 1}"
    elif not bool(torch.isfinite(pool.images).all()):
        problem = "pixels that are NaN or infinite"
    elif pool.official_train is not None and 0 < pool.official_train < len(labels):
        images = pool.images.numpy()
        parts = [("the training part", images[: pool.official_train]), ("the test part", images[pool.official_train :])]
        mismatch = scale_mismatch(parts)
        problem = mismatch and f"parts of different scale: {mismatch}"
    if problem is not None:
        raise DataError(f"data set {name!r} has {problem}; its package must correct this.")
