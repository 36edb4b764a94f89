"""Arrays in memory as a data set: written once to an npz file in the cache, named by its content."""

import hashlib
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from aen._cache import cache_folder, new_private, open_private, private_folder
from aen.data.npz import write_npz
from aen.data.own.labels import map_labels
from aen.data.own.npz import checked_arrays, content_of
from aen.errors import DataError


def from_arrays(
    images: npt.ArrayLike,
    labels: npt.ArrayLike,
    *,
    groups: npt.ArrayLike | None = None,
    names: Sequence[str] | None = None,
) -> str:
    """Return a name under which arrays can be used as a data set, here and in other processes of this machine.

    The arrays are written to an npz file in aen's cache folder, whose name is a checksum of its content: the same
    arrays have the same name.

    Args:
        images: images of shape ``[n, rows, columns]`` or ``[n, rows, columns, channels]``, or signals of shape
            ``[n, length]`` or ``[n, channels, length]``; uint8 (0 to 255), uint16 or floating point, tensors, too.
        labels: whole numbers or text, shape ``[n]``.
        groups: of each image; images of one group, such as those of one patient, lie in one part. Whole numbers or
            text, shape ``[n]``.
        names: of the classes, where labels are whole numbers from 0.

    Raises:
        DataError: arrays of other kinds or shapes, or the file cannot be written.
    """
    arrays = checked_arrays({"images": images, "labels": labels, "groups": groups, "class_names": names})
    content = content_of(**arrays, where="arrays")
    map_labels(content.labels, content.class_names, "arrays")
    if arrays["labels"].dtype.kind == "b":
        arrays["labels"] = arrays["labels"].astype(np.uint8)
    if arrays["images"].dtype.kind == "f":  # not of 16 bits, whose scale is that of their type
        arrays["images"] = arrays["images"].astype(np.float32)
    file = io.BytesIO()
    write_npz(file, arrays)
    checksum = hashlib.sha256(file.getbuffer()).hexdigest()[:24]
    folder = private_folder("arrays")
    if folder is None:
        raise DataError(
            f"the arrays cannot be kept: the cache {_named()} cannot be written, or others can write to it; point "
            "AEN_CACHE at a folder that only you can write to."
        )
    path = folder / f"{checksum}.npz"
    try:
        if not _holds(path, file.getbuffer()):
            with new_private(path, durable=True) as kept:
                kept.write(file.getbuffer())
    except OSError as error:
        raise DataError(
            f"{path} cannot be written: {error.strerror or error}; make room, or point AEN_CACHE at another folder."
        ) from error
    return str(path)


def classes_of(labels: npt.ArrayLike) -> npt.NDArray[Any]:
    """Return the label of each class as it was given to `from_arrays`, in the order of the classes.

    Args:
        labels: as for `from_arrays`, shape ``[n]``.

    Raises:
        DataError: labels of another kind or shape.
    """
    given = checked_arrays({"labels": labels})["labels"]
    mapped, _, _ = map_labels(given, (), "labels")
    _, first = np.unique(mapped, return_index=True)
    found: npt.NDArray[Any] = given[first]
    return found


def _holds(path: Path, content: memoryview) -> bool:
    try:
        with open_private(path) as file:
            return file.read(len(content) + 1) == content
    except OSError:
        return False


def _named() -> str:
    try:
        return str(cache_folder())
    except RuntimeError:
        return "in the home folder, which this user lacks,"
