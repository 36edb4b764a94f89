"""What the readers of own data return: where the images are, or the images, with labels, parts and groups."""

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from aen.data.files import unreadable

# The parts of a data set, as numbers: images without a part are divided by aen.
TRAIN, VALIDATION, TEST = 0, 1, 2
_PARTS = {
    "train": TRAIN,
    "training": TRAIN,
    "val": VALIDATION,
    "valid": VALIDATION,
    "validation": VALIDATION,
    "dev": VALIDATION,
    "test": TEST,
    "testing": TEST,
}
PART_NAMES = ("train", "validation", "test")


def part_of(name: str) -> int | None:
    """Return the part that a name such as ``val`` means, or None."""
    return _PARTS.get(name.lower())


@dataclass(frozen=True, eq=False)
class Content:
    """Own data as a reader found it. One of `read` and `images` is given.

    Attributes:
        labels: text or whole numbers, shape ``[n]``.
        names: of the images, for messages: their files.
        read: returns the bytes of the image file of a number.
        images: shape ``[n, channels, rows, columns]``, uint8 or float32.
        parts: the part of each image, shape ``[n]``; None: not divided.
        groups: of each image, a number; None: none are given.
        class_names: in the order of the labels, where the labels are numbers.
        notices: what is unusual.
        signals: the images are signals.
    """

    labels: npt.NDArray[Any]
    names: Sequence[str] = ()
    read: Callable[[int], bytes] | None = None
    images: npt.NDArray[Any] | None = None
    parts: npt.NDArray[np.uint8] | None = None
    groups: npt.NDArray[np.int64] | None = None
    class_names: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    signals: bool = False


@dataclass(frozen=True)
class Scan:
    """Own data before its content is read.

    Attributes:
        kind: of the data, in words.
        root: the folder below which its files lie.
        files: all files that are read, below the root.
        load: reads them.
    """

    kind: str
    root: Path
    files: tuple[str, ...]
    load: Callable[[], Content] = field(repr=False)

    def stamp(self, *known: str) -> str:
        """Return a checksum of the names, sizes and times of the files, and of what else is known.

        Raises:
            DataError: a file is not there any more.
        """
        root, lines = os.path.join(self.root, ""), []  # noqa: PTH118 - paths are made 50,000 times
        for name in self.files:
            try:
                status = os.stat(root + name)  # noqa: PTH116
            except OSError as error:
                raise unreadable(self.root / name, error) from error
            lines.append(f"{name}\0{status.st_size}\0{status.st_mtime_ns}\n")
        text = hashlib.sha256("\0".join((self.kind, *known)).encode())
        text.update("".join(lines).encode("utf-8", "surrogateescape"))
        return text.hexdigest()


def numbered_groups(values: Sequence[object]) -> npt.NDArray[np.int64]:
    """Return a number for each group; an empty value is a group of its own."""
    numbers: dict[object, int] = {}
    found = np.empty(len(values), np.int64)
    for place, value in enumerate(values):
        key = (place,) if value is None or value == "" else value
        found[place] = numbers.setdefault(key, len(numbers))
    return found
