"""Pool: all images and labels of a data set, checked, before they are split, moved or standardised."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from aen._typing import Int, Num
from aen.data.own.split import Grouping
from aen.data.scale import scale_mismatch
from aen.errors import DataError


@dataclass(frozen=True, eq=False)
class Part:
    """What one pair of files holds.

    Attributes:
        images: shape ``[n, channels, rows, columns]``, uint8 or float32.
        labels: shape ``[n]``, whole numbers.
        images_file: where the images were read, for messages.
        labels_file: where the labels were read.
        name: of the images in their file, for messages; empty: the file holds no others.
    """

    images: npt.NDArray[Any]
    labels: npt.NDArray[Any]
    images_file: Path
    labels_file: Path
    name: str = ""

    @property
    def where(self) -> str:
        """Where the images were read, for messages."""
        return f"{self.images_file}: {self.name}" if self.name else str(self.images_file)


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


def check_labels(labels: npt.NDArray[Any], images: int, classes: int, *, images_file: Path, labels_file: Path) -> None:
    """Check labels against the number of images and of classes.

    Args:
        labels: shape ``[n]``, whole numbers.
        images: how many images there are.
        classes: labels must be below.
        images_file: where the images are, for messages.
        labels_file: where the labels were read.

    Raises:
        DataError: there are no images, or not as many as labels, or a label is out of range.
    """
    if images != len(labels):
        raise DataError(
            f"{images_file} has {images} images, but {labels_file} has {len(labels)} labels; "
            "they do not belong together. Get both again from one place."
        )
    if images == 0:
        raise DataError(f"{images_file} has no images; get a whole copy of the file.")
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= classes:
        wrong = low if low < 0 else high
        raise DataError(
            f"{labels_file} has the label {wrong}, outside the {classes} classes 0 to {classes - 1}; "
            "it is damaged or another data set's file. Put the right one there."
        )
