"""Reads numeric arrays from Matlab's files of level 5 (MAT 5), after "MAT-File Format", The MathWorks.

SciPy's `loadmat` reads more, but some damaged files make it crash the process.
"""

import struct
import zlib
from collections.abc import Collection, Iterator
from math import prod

import numpy as np
import numpy.typing as npt

# Types of elements: integers, floating point, and those with elements inside.
_NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_MATRIX, _COMPRESSED = 14, 15
# Classes of arrays that hold numbers: double, single, and integers.
_CLASSES = range(6, 16)
_COMPLEX = 0x0800
_HEADER, _TAG = 128, 8
# An array of more bytes is refused: the largest file that is read with this module has 2.5e8.
_MOST = 2**31
_PIECE = 2**20


def read_mat(content: bytes, names: Collection[str]) -> dict[str, npt.NDArray[np.generic]]:
    """Return the numeric arrays of some names.

    Args:
        content: of the file.
        names: the arrays wanted; others are skipped.

    Returns:
        Those of them that are there, each in the type in which it is stored, which may be smaller than its class.

    Raises:
        ValueError: not a file of level 5, a damaged one, or a wanted array that is not one of real numbers.
    """
    if len(content) < _HEADER or content[126:128] not in {b"IM", b"MI"}:
        raise ValueError("it is no file of level 5 (MAT 5)")
    order = "<" if content[126:128] == b"IM" else ">"
    found: dict[str, npt.NDArray[np.generic]] = {}
    for kind, data in _elements(memoryview(content)[_HEADER:], order):
        # zlib raises on damaged content; what is beyond the limit is not unpacked.
        inner = _elements(memoryview(_unpacked(data)), order) if kind == _COMPRESSED else iter([(kind, data)])
        for inner_kind, array in inner:
            if inner_kind == _MATRIX:
                _read_array(array, order, names, found)
    return found


def _elements(data: memoryview, order: str) -> Iterator[tuple[int, memoryview]]:
    """Yield the type and the content of each element."""
    place = 0
    while place + _TAG <= len(data):
        kind, size = struct.unpack_from(f"{order}II", data, place)
        start = place + _TAG
        if kind >> 16:  # a small element: its size, its type and at most four bytes share eight
            kind, size, start = kind & 0xFFFF, kind >> 16, place + 4
            end = place + _TAG
            if size > 4:  # noqa: PLR2004
                raise ValueError(f"a small element claims {size} bytes")
        else:
            end = start + size
            if kind != _COMPRESSED:
                end += -size % 8
        if start + size > len(data):
            raise ValueError("it is cut off")
        yield kind, data[start : start + size]
        place = end


def _unpacked(data: memoryview) -> bytes:
    unpacker, parts, size = zlib.decompressobj(), [], 0
    for start in range(0, len(data), _PIECE):
        try:
            part = unpacker.decompress(data[start : start + _PIECE], _MOST - size + 1)
        except zlib.error as error:
            raise ValueError(f"its compressed content is damaged ({error})") from error
        parts.append(part)
        size += len(part)
        if size > _MOST:
            raise ValueError(f"its compressed content has more than {_MOST:,} bytes")
        if unpacker.eof:
            break
    if not unpacker.eof:
        raise ValueError("its compressed content is cut off")
    return b"".join(parts)


def _read_array(
    data: memoryview, order: str, names: Collection[str], found: dict[str, npt.NDArray[np.generic]]
) -> None:
    parts = _elements(data, order)
    try:
        (_, flags), (kind, shape), (_, name) = next(parts), next(parts), next(parts)
    except StopIteration:
        raise ValueError("an array lacks its shape or name") from None
    text = bytes(name).decode("latin-1")
    if text not in names:
        return
    if len(flags) != 8 or kind != 5:  # noqa: PLR2004
        raise ValueError(f"array {text!r} has damaged flags")
    (word,) = struct.unpack_from(f"{order}I", flags)
    if word & 0xFF not in _CLASSES or word & _COMPLEX:
        raise ValueError(f"array {text!r} does not hold real numbers")
    sizes = [int(size) for size in np.frombuffer(shape, f"{order}i4")]
    kind, values = next(parts, (0, memoryview(b"")))
    stored = _NUMBERS.get(kind)
    if stored is None or any(size < 0 for size in sizes):
        raise ValueError(f"array {text!r} is damaged")
    stored_type = np.dtype(f"{order}{stored}")
    if len(values) != prod(sizes) * stored_type.itemsize:
        raise ValueError(f"array {text!r} of shape {sizes} has {len(values):,} bytes of {stored_type.name}")
    array = np.frombuffer(values, stored_type).astype(stored_type.newbyteorder("="))
    found[text] = array.reshape(sizes, order="F")
