"""A cache on disk of decoded images, which take minutes to decode; only the images that are used are read from it.

The file is an npy file, uint8, followed by a stamp: a checksum of all that the images depend on.
"""

import errno
import hashlib
import io
import json
import math
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from aen._cache import append_own, new_private, open_private, private_folder
from aen._locks import NoLocksError, lock_file
from aen.data.files import unreadable

Bytes = npt.NDArray[np.uint8]

# Part of every stamp: raise it when the same files would be decoded into other images.
_VERSION = "images-1"


def cached_images(
    name: str,
    sources: Sequence[Path],
    shape: tuple[int, int, int, int],
    decode: Callable[[], Iterator[Bytes]],
    *,
    decoder: str,
) -> Bytes:
    """Return decoded images, from the cache if they are there.

    What comes from the cache is mapped into memory, not read: only the images that are used take room. It may be
    written to; the file stays as it is. A file that is damaged or of other sources is made again; without a folder
    that can be written, or room in it, the images are held in memory.

    Args:
        name: of the data set, its size included.
        sources: the files that are decoded, in their order. They are known by their names, sizes and times.
        shape: of the images, ``[n, channels, side, side]``.
        decode: returns all images in their order, in pieces of any length. Any fault is a `DataError`.
        decoder: what decodes them, and in which version.

    Raises:
        DataError: a file that is not there; or as `decode`.
    """
    stamp = _stamp(sources, decoder)
    images = _from_disk(name, sources[0].parent, shape, stamp, decode)
    if images is None:
        images = np.empty(shape, np.uint8)
        start = 0
        for piece in decode():
            images[start : start + len(piece)] = piece
            start += len(piece)
    return images


def _from_disk(
    name: str, folder: Path, shape: tuple[int, ...], stamp: bytes, decode: Callable[[], Iterator[Bytes]]
) -> Bytes | None:
    """Return the images, mapped; None if they can be neither read nor written."""
    try:
        # One file for each folder of sources: another copy of them does not displace it, newer sources do.
        place = hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:16]
        images_folder = private_folder("images")
        if images_folder is None:
            return None
        path = images_folder / f"{name}-{place}.npy"
        images = _read(path, shape, stamp)
        if images is None:
            _write(path, shape, stamp, decode)
            images = _read(path, shape, stamp)
    except (OSError, RuntimeError):  # RuntimeError: a circle of links
        return None
    return images


def _stamp(sources: Sequence[Path], decoder: str) -> bytes:
    known: list[str | list[str | int]] = [_VERSION, decoder]
    for path in sources:
        try:
            status = path.stat()
        except OSError as error:
            raise unreadable(path, error) from error
        known.append([path.name, status.st_size, status.st_mtime_ns])
    return hashlib.sha256(json.dumps(known).encode()).digest()


def _header(shape: tuple[int, ...]) -> bytes:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return header.getvalue()


def _read(path: Path, shape: tuple[int, ...], stamp: bytes) -> Bytes | None:
    header = _header(shape)
    size = len(header) + math.prod(shape) + len(stamp)
    try:
        with open_private(path) as file:
            # Nothing in the file is believed; it is compared with what it must be.
            if os.fstat(file.fileno()).st_size != size or file.read(len(header)) != header:
                return None
            file.seek(-len(stamp), os.SEEK_END)
            if file.read() != stamp:
                return None
            # Mode c: what is written to the array is not written to the file. torch takes no read-only arrays.
            return np.memmap(file, np.uint8, mode="c", offset=len(header), shape=shape)
    except OSError:
        return None


def _write(path: Path, shape: tuple[int, ...], stamp: bytes, decode: Callable[[], Iterator[Bytes]]) -> None:
    """Write the file, or wait until another process has."""
    part = path.with_name(f"{path.name}.part")
    with io.BufferedWriter(append_own(part)) as file:
        try:
            lock_file(file, wait=True)
        except NoLocksError:  # other processes may do the same work; each writes a file of its own
            part.unlink(missing_ok=True)
            with new_private(path) as own:
                _fill(own, shape, stamp, decode)
            return
        if not _is_at(part, file):  # while this process waited, another one finished, or failed
            return
        try:
            if _read(path, shape, stamp) is None:
                _fill(file, shape, stamp, decode)
                part.replace(path)
            else:
                part.unlink()
        except BaseException:
            part.unlink(missing_ok=True)
            raise


def _is_at(path: Path, file: BinaryIO | io.BufferedWriter) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False


def _fill(
    file: BinaryIO | io.BufferedWriter, shape: tuple[int, ...], stamp: bytes, decode: Callable[[], Iterator[Bytes]]
) -> None:
    file.truncate(0)  # what a process that was killed has left
    if shutil.disk_usage(str(file.name)).free < math.prod(shape):  # said before the work, not in the middle of it
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    file.write(_header(shape))
    file.writelines(np.ascontiguousarray(piece).data for piece in decode())
    file.write(stamp)
    file.flush()
    os.fsync(file.fileno())
