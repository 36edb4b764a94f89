"""npz files: reading without unpickling, inspecting without reading the images, and reproducible writing."""

import math
import os
import zipfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Self, cast

import numpy as np
import numpy.typing as npt

from aen._reading import MALFORMED_ZIP
from aen.data.files import MAX_BYTES, check_plain, damaged, unreadable
from aen.data.part import Part
from aen.errors import DataError

SPLIT_KEYS = ("train_images", "train_labels", "test_images", "test_labels")
PLAIN_KEYS = ("images", "labels")
_MAX_CHANNELS = 4
_MAX_CLASSES = 10_000
_MAX_HEADER = 2**16
_SMALL, _RATIO = 2**28, 500  # what unpacks to more bytes, and to so many times its size, is taken for a bomb
_SHOWN = 5
# The probability below which a class is not missing among the training images by chance.
_BY_CHANCE = 0.01


@dataclass(frozen=True)
class NpzShape:
    """The shapes and labels of an npz file, read without its images.

    Attributes:
        side: side of the images.
        channels: 1 for grey.
        classes: one more than the largest label.
        images: number of images: training and test, or all.
    """

    side: int
    channels: int
    classes: int
    images: tuple[int, ...]


def look_into_npz(path: Path) -> NpzShape:
    """Inspect an npz file: reads its labels and the headers of its images.

    Raises:
        DataError: as for `read_npz`.
    """
    with OpenNpz(path) as file:
        shapes, top = [], 0
        for images, labels in file.pairs():
            shapes.append(_image_shape(path, images, file.header(images)[0]))
            top = max(top, int(file.labels(labels).max(initial=0)))
        if len({shape[1:] for shape in shapes}) > 1:
            raise DataError(f"{path}: training and test images differ in shape: {shapes}; give them one shape.")
        if top >= _MAX_CLASSES:
            raise DataError(f"{path}: the label {top} is above {_MAX_CLASSES - 1}; number the classes from 0 up.")
        _, side, channels = shapes[0]
        return NpzShape(side, channels, top + 1, tuple(shape[0] for shape in shapes))


def read_npz(path: Path) -> list[Part]:
    """Return the training and the test part of an npz file, or its one part.

    It holds ``train_images, train_labels, test_images, test_labels``, or ``images, labels``; images of shape
    ``[n, side, side]`` or ``[n, side, side, channels]``, uint8 or floating point.

    Raises:
        DataError: no npz file, a damaged one, pickled objects in it, missing arrays, or arrays of other kinds.
    """
    with OpenNpz(path) as file:
        names = file.pairs()
        parts = [_part(path, file.array(images), file.labels(labels), images) for images, labels in names]
    if len(parts) > 1:
        _check_classes(path, parts, [labels for _, labels in names])
    return parts


def _check_classes(path: Path, parts: list[Part], names: list[str]) -> None:
    """Refuse test images of classes without training images: often one part is numbered from 1.

    A small training part may lack a class by chance; that passes.
    """
    known, asked = (np.unique(part.labels) for part in parts)
    unknown = np.setdiff1d(asked, known)
    if not len(unknown) or not len(known):
        return
    shifted = len(known) == len(asked) > 1 and abs(int(asked[0]) - int(known[0])) == 1 and np.ptp(asked - known) == 0
    strange = parts[1].labels[np.isin(parts[1].labels, unknown)]
    share = np.unique(strange, return_counts=True)[1].max() / len(parts[1].labels)
    if not shifted and len(unknown) < len(asked) and (1 - share) ** len(parts[0].labels) > _BY_CHANCE:
        return
    hint = f" (it has {known[0]} to {known[-1]}, {names[1]} {asked[0]} to {asked[-1]})"
    shown = ", ".join(map(str, unknown[:_SHOWN])) + (", ..." if len(unknown) > _SHOWN else "")
    raise DataError(
        f"{path}: {names[1]} has the label{'s' * (len(unknown) > 1)} {shown}, which {names[0]} lacks{hint}; number the "
        "classes of both parts alike, from 0 up, and give training images of each."
    )


def _part(path: Path, images: npt.NDArray[Any], labels: npt.NDArray[Any], name: str) -> Part:
    _, side, channels = _image_shape(path, name, images.shape)
    if images.dtype != np.uint8:
        if images.dtype.kind != "f":
            raise DataError(f"{path}: {name} is of {images.dtype}; give uint8 (0 to 255) or floating point.")
        with np.errstate(over="ignore"):  # becomes infinite, which is refused with the image's number
            images = images.astype(np.float32)
    cells_last = images.reshape(-1, side, side, channels)
    return Part(np.moveaxis(cells_last, 3, 1), labels, path, path, name)


def _image_shape(path: Path, name: str, shape: tuple[int, ...]) -> tuple[int, int, int]:
    channels = shape[3] if len(shape) == 4 else 1  # noqa: PLR2004
    if len(shape) not in {3, 4} or shape[1] != shape[2] or shape[1] == 0 or not 1 <= channels <= _MAX_CHANNELS:
        first = len(shape) == 4 and shape[2] == shape[3] and shape[1] <= _MAX_CHANNELS  # noqa: PLR2004
        raise DataError(
            f"{path}: {name} has the shape {list(shape)}; give [n, side, side] or [n, side, side, channels], square"
            f"{', with the channels last' if first else ''}."
        )
    return shape[0], shape[1], channels


class OpenNpz:
    """An open npz file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        check_plain(path)
        try:
            self._zip = zipfile.ZipFile(path)
        except MALFORMED_ZIP as error:
            raise damaged(path, f"it is not an npz file ({error})") from error
        except OSError as error:
            raise unreadable(path, error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()

    def names(self) -> list[str]:
        """Return the names of the arrays."""
        names = [entry.filename.removesuffix(".npy") for entry in self._zip.infolist()]
        twice = next((name for name, count in Counter(names).items() if count > 1), None)
        if twice is not None:
            raise damaged(self.path, f"it holds {twice} twice")
        return names

    def pairs(self) -> list[tuple[str, str]]:
        """Return the names of images and labels that belong together."""
        names = self.names()
        for keys in (SPLIT_KEYS, PLAIN_KEYS):
            if set(names).issuperset(keys):
                return [(keys[i], keys[i + 1]) for i in range(0, len(keys), 2)]
        held = ", ".join(sorted(names)) or "nothing"
        raise DataError(
            f"{self.path} holds {held}; it needs the arrays {', '.join(SPLIT_KEYS)}, or {' and '.join(PLAIN_KEYS)}."
        )

    def header(self, name: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
        """Return shape and kind of an array without reading it."""
        return cast("tuple[tuple[int, ...], np.dtype[Any]]", self._read(name, header_only=True))

    def labels(self, name: str) -> npt.NDArray[Any]:
        """Return labels, checked to be a row of whole numbers."""
        labels = self.array(name)
        if labels.ndim != 1 or labels.dtype.kind not in "ui":
            raise DataError(
                f"{self.path}: {name} has the shape {list(labels.shape)} of {labels.dtype}; give [n] whole numbers."
            )
        return labels

    def array(self, name: str) -> npt.NDArray[Any]:
        """Return an array."""
        return cast("npt.NDArray[Any]", self._read(name, header_only=False))

    def _read(self, name: str, *, header_only: bool) -> object:
        try:
            entry = self._zip.getinfo(f"{name}.npy")
            with self._zip.open(entry) as file:
                shape, kind = _read_header(file)
            self._check_header(name, shape, kind, entry)
            if header_only:
                return shape, kind
            with self._zip.open(entry) as file:
                found = np.lib.format.read_array(file, allow_pickle=False)
                file.read()  # compares the checksum at its end
                return found
        except DataError:
            raise
        except Exception as error:  # damaged bytes make zip, zlib and NumPy fail in many ways
            raise damaged(self.path, f"{name} cannot be read ({type(error).__name__}: {error})") from error

    def _check_header(self, name: str, shape: tuple[int, ...], kind: np.dtype[Any], entry: zipfile.ZipInfo) -> None:
        if kind.hasobject:
            raise DataError(
                f"{self.path}: {name} holds pickled objects, which aen never opens; save it as an array of numbers."
            )
        size = math.prod(shape, start=kind.itemsize)
        # The header is believed only as far as there are bytes for it.
        if not 0 <= entry.file_size - size <= _MAX_HEADER or size > MAX_BYTES:
            raise damaged(self.path, f"{name} is announced as {list(shape)} of {kind}, which it is not")
        if size > max(_SMALL, _RATIO * entry.compress_size):
            raise damaged(
                self.path, f"its array {name} unpacks to over {_RATIO} times its size, as a decompression bomb"
            )


def _read_header(file: Any) -> tuple[tuple[int, ...], np.dtype[Any]]:  # noqa: ANN401 - zipfile's reader
    version = np.lib.format.read_magic(file)
    size = file.read(2 if version == (1, 0) else 4)  # a header that claims to be large is not read
    if int.from_bytes(size, "little") > _MAX_HEADER:
        raise ValueError("its header is too large")
    file.seek(-len(size), os.SEEK_CUR)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, kind = read(file)
    return shape, kind


def write_npz(file: BinaryIO, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """Write arrays so that the same arrays give the same bytes, on every machine.

    Nothing is compressed, because compressed bytes depend on the version of zlib; times are fixed.
    """
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            entry = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            entry.create_system, entry.external_attr = 3, 0o644 << 16
            with archive.open(entry, "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.ascontiguousarray(array), version=(1, 0), allow_pickle=False)
