"""Prepared: own data ready for use, and the file in the cache that holds it.

The file is a line of JSON, then the arrays that it announces, aligned. Nothing in it is believed before it was
compared with what it must be; there are no pickles in it.
"""

import json
import mmap
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from aen._cache import new_private, open_private
from aen._typing import JsonDict

_MAGIC = b"aen own data 1\n"
_ALIGNED = 64
_MAX_HEADER = 64 * 2**20
_ARRAYS = ("labels", "parts", "groups", "images")
_DTYPES = {"labels": "<i8", "parts": "|u1", "groups": "<i8", "images": ("|u1", "<f4")}


@dataclass(frozen=True, eq=False)
class Prepared:
    """Own data, checked, of one size and type.

    Attributes:
        images: shape ``[n, channels, rows, columns]``, uint8 or float32.
        labels: shape ``[n]``, int64, from 0 without gaps.
        parts: the part of each image, shape ``[n]``, if `divided`.
        groups: images of one group never lie in different parts; a number for each, shape ``[n]``.
        class_names: of the labels.
        divided: the parts that the data itself has: ``["train", "test"]``, or none.
        pin: the beginning of a checksum of the content of all files.
        kind: of the data, in words.
        named_groups: whether the data has groups of its own, in addition to near-duplicates.
        near_duplicates: how many images have another one that is nearly the same.
        signals: whether the images are signals.
        notices: what was done, and what is unusual.
    """

    images: npt.NDArray[Any]
    labels: npt.NDArray[np.int64]
    parts: npt.NDArray[np.uint8]
    groups: npt.NDArray[np.int64]
    class_names: tuple[str, ...]
    divided: tuple[str, ...]
    pin: str
    kind: str
    named_groups: bool
    near_duplicates: int
    signals: bool
    notices: tuple[str, ...]


def write_prepared(path: Path, prepared: Prepared, stamp: str) -> None:
    """Write the file, in a folder of `aen._cache.private_folder`; it appears whole or not at all.

    Raises:
        OSError: it cannot be written.
    """
    head = {"stamp": stamp} | {f.name: getattr(prepared, f.name) for f in fields(Prepared) if f.name not in _ARRAYS}
    arrays = {name: getattr(prepared, name) for name in _ARRAYS}
    head["arrays"] = {name: [array.dtype.str, list(array.shape)] for name, array in arrays.items()}
    with new_private(path, durable=True) as file:
        file.write(_MAGIC + json.dumps(head).encode() + b"\n")
        for array in arrays.values():
            _align(file)
            file.write(np.ascontiguousarray(array).data)


def release_pages(images: npt.NDArray[Any]) -> None:
    """Give the memory back that mapped images take once they were read; they can be read again."""
    mapped = getattr(images, "_mmap", None)
    if mapped is not None and hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)


def _align(file: BinaryIO) -> None:
    file.write(b"\0" * (-file.tell() % _ALIGNED))


def read_prepared(path: Path, stamp: str) -> Prepared | None:
    """Return what the file holds, its images mapped, not read; None if it is not there, damaged, or of other data."""
    try:
        with open_private(path) as file:
            if file.read(len(_MAGIC)) != _MAGIC:
                return None
            head = json.loads(file.readline(_MAX_HEADER))
            if head.pop("stamp") != stamp:
                return None
            arrays = _arrays(file, head.pop("arrays"))
            return _checked(head, arrays)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _arrays(file: BinaryIO, announced: Mapping[str, tuple[str, list[int]]]) -> dict[str, npt.NDArray[Any]]:
    size, start = os.fstat(file.fileno()).st_size, file.tell()
    found: dict[str, npt.NDArray[Any]] = {}
    for name in _ARRAYS:
        kind, shape = announced[name]
        if kind not in _DTYPES[name] or not all(isinstance(n, int) and n > 0 for n in shape):
            raise ValueError(name)
        start += -start % _ALIGNED
        length = prod(shape) * np.dtype(kind).itemsize
        if start + length > size:
            raise ValueError(name)
        # Mode c: what is written to the array is not written to the file. torch takes no read-only arrays.
        mapped = np.memmap(file, kind, mode="c", offset=start, shape=tuple(shape))
        found[name] = mapped if name == "images" else np.array(mapped)
        start += length
    if start != size:
        raise ValueError(size)
    return found


def _checked(head: JsonDict, arrays: dict[str, npt.NDArray[Any]]) -> Prepared:
    images, labels = arrays["images"], arrays["labels"]
    names = tuple(map(str, head["class_names"]))
    same = all(array.shape == labels.shape == (len(images),) for name, array in arrays.items() if name != "images")
    if images.ndim != 4 or not same or not 0 <= labels.min() <= labels.max() < len(names):  # noqa: PLR2004
        raise ValueError("arrays")
    if not re.fullmatch(r"[0-9a-f]{16}", head["pin"]):
        raise ValueError("pin")
    tuples = {name: tuple(map(str, head[name])) for name in ("divided", "notices")}
    values: JsonDict = head | tuples | arrays | {"class_names": names}
    return Prepared(**values)
