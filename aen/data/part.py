"""Part: the images and labels of one pair of files, as arrays; reading files needs no torch."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy.typing as npt

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
