"""Readers of the formats in which data sets are published. Nothing is unpickled; every fault names its file."""

import io
import struct
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from aen.data.archives import read_members
from aen.data.files import damaged, read_file
from aen.data.pool import Part

Array = npt.NDArray[Any]

_IDX_UNSIGNED_BYTES = 8
_CIFAR_RECORD = 1 + 3 * 32 * 32
_SVHN_SHAPE = (32, 32, 3)
_GREY = 28
# Sign-language MNIST numbers the letters A to Y; J and Z are movements and have no images.
_LETTER_J = 9


def read_idx(path: Path, dimensions: int) -> Array:
    """Return the array of an IDX file of unsigned bytes, packed by gzip or not.

    Raises:
        DataError: another format, or more or fewer bytes than its header says.
    """
    content = read_file(path)
    expected = struct.pack(">BBBB", 0, 0, _IDX_UNSIGNED_BYTES, dimensions)
    if content[:4] != expected:
        raise damaged(
            path, f"it begins with 0x{content[:4].hex()}, not 0x{expected.hex()} (IDX, {dimensions} dimensions, bytes)"
        )
    start = 4 + 4 * dimensions
    if len(content) < start:
        raise damaged(path, "the IDX file is truncated in its header")
    shape = struct.unpack(f">{dimensions}I", content[4:start])
    size = 1
    for length in shape:
        size *= length
    if len(content) - start != size:
        raise damaged(
            path, f"the IDX file has {len(content) - start:,} bytes after its header, which announces {size:,}"
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def read_idx_parts(paths: Sequence[Path], *, transposed: bool = False, first_label: int = 0) -> list[Part]:
    """Read training images, training labels, test images and test labels in IDX format.

    Args:
        paths: the four files.
        transposed: the files hold columns first (EMNIST); it is undone.
        first_label: the number of the first class in the file.
    """
    parts = []
    for images_file, labels_file in (paths[:2], paths[2:]):
        images = read_idx(images_file, 3)[:, None]
        labels = read_idx(labels_file, 1).astype(np.int64) - first_label
        parts.append(Part(images.swapaxes(2, 3) if transposed else images, labels, images_file, labels_file))
    return parts


def read_cifar10(paths: Sequence[Path]) -> list[Part]:
    """Read the binary version of CIFAR-10: five training batches, then the test batch."""
    contents = [(path, read_file(path)) for path in paths]
    return _cifar10_parts(contents)


def read_cifar10_archive(paths: Sequence[Path]) -> list[Part]:
    """Read the binary version of CIFAR-10 from its archive, without unpacking it to disk."""
    (path,) = paths
    members = read_members(path, [f"cifar-10-batches-bin/{name}" for name in CIFAR10_FILES])
    return _cifar10_parts([(path / name, content) for name, content in members])


CIFAR10_FILES = (*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin")


def _cifar10_parts(contents: Sequence[tuple[Path, bytes]]) -> list[Part]:
    records = []
    for path, content in contents:
        if len(content) == 0 or len(content) % _CIFAR_RECORD:
            raise damaged(path, f"it has {len(content):,} bytes, not a multiple of {_CIFAR_RECORD:,} (CIFAR-10 binary)")
        batch = np.frombuffer(content, np.uint8).reshape(-1, _CIFAR_RECORD)
        if batch[:, 0].max() > 9:  # noqa: PLR2004
            raise damaged(path, f"it has the label {batch[:, 0].max()}, outside the 10 classes 0 to 9")
        records.append(batch)
    *train, test = records
    folder = contents[0][0].parent
    return [
        Part(batch[:, 1:].reshape(-1, 3, 32, 32), batch[:, 0], file, file)
        for batch, file in ((np.concatenate(train), folder), (test, contents[-1][0]))
    ]


def read_svhn(paths: Sequence[Path]) -> list[Part]:
    """Read SVHN's cropped digits: the training and the test file, Matlab's format. The label 10 means 0."""
    return [_svhn_part(path) for path in paths]


def _svhn_part(path: Path) -> Part:
    from scipy.io import loadmat

    content = io.BytesIO(read_file(path))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            values = loadmat(content, variable_names=["X", "y"])
    except Exception as error:  # a damaged file makes SciPy fail in many ways
        raise damaged(path, f"it is not a Matlab file that can be read ({type(error).__name__}: {error})") from error
    for name in ("X", "y"):
        if not isinstance(values.get(name), np.ndarray) or values[name].dtype.kind not in "ui":
            raise damaged(path, f"it has no numbers named {name!r}")
    images, labels = values["X"], values["y"].reshape(-1).astype(np.int64)
    if images.ndim != 4 or images.shape[:3] != _SVHN_SHAPE or images.dtype != np.uint8:  # noqa: PLR2004
        raise damaged(path, f"X has the shape {list(images.shape)} of {images.dtype}, not [32, 32, 3, n] of uint8")
    if labels.size and not 1 <= labels.min() <= labels.max() <= 10:  # noqa: PLR2004
        raise damaged(path, "y has a label outside 1 to 10")
    return Part(np.ascontiguousarray(images.transpose(3, 2, 0, 1)), labels % 10, path, path)


def read_sign_language(paths: Sequence[Path]) -> list[Part]:
    """Read sign-language MNIST: the training and the test table. Classes are A to Y without J, numbered 0 to 23."""
    parts = []
    for path in paths:
        table = _read_numbers(path, delimiter=",", header=True, dtype=np.int64)
        labels, pixels = table[:, 0], table[:, 1:]
        if pixels.size and not 0 <= pixels.min() <= pixels.max() <= 255:  # noqa: PLR2004
            raise damaged(path, "it has a pixel outside 0 to 255")
        if (labels == _LETTER_J).any():
            raise damaged(path, f"it has the label {_LETTER_J} (J), which has no images in this data set")
        images = pixels.astype(np.uint8).reshape(-1, 1, _GREY, _GREY)
        parts.append(Part(images, labels - (labels > _LETTER_J), path, path))
    return parts


def read_amat(paths: Sequence[Path]) -> list[Part]:
    """Read rotated MNIST: training + validation, then test. Each line has 784 pixels, columns first, and the label."""
    parts = []
    for path in paths:
        table = _read_numbers(path, delimiter=None, header=False, dtype=np.float32)
        labels = table[:, -1]
        if not np.isfinite(labels).all() or (labels != np.round(labels)).any():
            raise damaged(path, "a label, the last number of a line, is not a whole number")
        images = table[:, :-1].reshape(-1, 1, _GREY, _GREY).swapaxes(2, 3)
        parts.append(Part(images, labels.astype(np.int64), path, path))
    return parts


def _read_numbers(path: Path, *, delimiter: str | None, header: bool, dtype: type) -> Array:
    """Return a text table of one label and 28 x 28 pixels per line, shape ``[n, 785]``."""
    text = io.BytesIO(read_file(path))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of an empty table; it is refused below
            table: Array = np.loadtxt(text, dtype=dtype, delimiter=delimiter, skiprows=int(header), ndmin=2)
    except (ValueError, UnicodeDecodeError, OverflowError) as error:
        raise damaged(path, f"it is not a table of numbers ({error})") from error
    if table.shape[0] == 0 or table.shape[1] != _GREY * _GREY + 1:
        raise damaged(path, f"it has {table.shape[0]} lines of {table.shape[1]} numbers; each line needs 785")
    return table
