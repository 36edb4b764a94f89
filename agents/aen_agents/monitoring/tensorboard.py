"""ScalarFile: curves for TensorBoard.

TensorBoard reads files of records: length, checksum, an `Event` message in protocol buffers, checksum. Six fields of
that message are all that curves need. They are written here by hand, since TensorBoard's own writer takes half a second
to import, keeps a thread of its own, and imports TensorFlow where that is installed.
"""

import itertools
import os
import socket
import struct
import time
from collections.abc import Mapping
from contextlib import suppress
from ctypes import c_float
from pathlib import Path

_POLYNOMIAL = 0x82F63B78  # CRC-32C, reflected
_NUMBERS = itertools.count()


def _table_entry(byte: int) -> int:
    for _ in range(8):
        byte = byte >> 1 ^ (_POLYNOMIAL if byte & 1 else 0)
    return byte


_TABLE = tuple(_table_entry(byte) for byte in range(256))


class ScalarFile:
    """An events file, made when the first point comes.

    Args:
        folder: TensorBoard's name for the run; files of earlier processes stay in it.
        start: points of earlier processes from this step on count no more; None: from the first point's on.
    """

    def __init__(self, folder: Path, start: int | None = None) -> None:
        self.folder = folder
        self._start = start
        self._file: Path | None = None

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Add one point to each curve.

        Raises:
            OSError: it cannot be written.
        """
        points = b"".join(_bytes(1, _bytes(1, tag.encode()) + b"\x15" + _float(value)) for tag, value in values.items())
        records = _record(_event(_bytes(5, points), step))
        file, self._file = self._file, None  # after a failure a new one is begun: the old one may end in a torn record
        if file is not None:
            _append(file, records)
        else:
            self.folder.mkdir(exist_ok=True)  # not its parents: a run folder that was removed stays so
            name = f"events.out.tfevents.{int(time.time()):010d}.{socket.gethostname()}.{os.getpid()}.{next(_NUMBERS)}"
            # A run that goes on: points of an earlier process from this step on count no more (field 7: started).
            start = _event(_bytes(7, b"\x08\x01"), step if self._start is None else self._start)
            file = self.folder / name
            try:
                _append(file, _record(_event(_bytes(3, b"brain.Event:2"))) + _record(start) + records)
            except OSError:
                with suppress(OSError):
                    file.unlink(missing_ok=True)
                raise
            self._start = None
        self._file = file


def _append(file: Path, data: bytes) -> None:
    with file.open("ab") as stream:
        stream.write(data)


def _float(value: float) -> bytes:
    return struct.pack("<f", c_float(value).value)  # which makes infinity of what is too large


def _event(content: bytes, step: int = 0) -> bytes:
    return b"\x09" + struct.pack("<d", time.time()) + b"\x10" + _varint(step) + content


def _bytes(field: int, content: bytes) -> bytes:
    return bytes([field << 3 | 2]) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:  # noqa: PLR2004 - seven bits a byte
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def _record(message: bytes) -> bytes:
    length = struct.pack("<Q", len(message))
    return length + _checksum(length) + message + _checksum(message)


def _checksum(data: bytes) -> bytes:
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _TABLE[(crc ^ byte) & 0xFF]
    crc ^= 0xFFFFFFFF
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)
