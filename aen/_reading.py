"""Reading files that others may have made: their kind and size are checked before they are read.

A named pipe or a device of that name would block the reader for ever, and a huge file would fill the memory.
"""

import errno
import hashlib
import json
import os
import stat
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aen._typing import JsonDict

MAX_SMALL = 4 * 2**20  # bytes of a status, a config or the like
MAX_RESULTS = 2**28  # of a summary, which holds every class of a space
MAX_HISTORY = 2**30  # of a line for each visit
# The longest number of a JSON file: longer ones do not fit into a float, and their conversion takes quadratic time.
_MOST_DIGITS = 300
MAX_WEIGHTS = 2**34
_SEAL = "sha256"
# What the content of a file raises that is not what aen wrote.
MALFORMED = (ValueError, KeyError, TypeError, AttributeError, IndexError, OverflowError, RecursionError)
# What damaged zip files raise: of unknown versions and compressions, of encrypted members, and of members cut short.
MALFORMED_ZIP = (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError)


class UnusableFileError(ValueError):
    """A file that is not read: it is no plain file, too large, or nested too deeply. The message says why."""


def read_bytes(path: str | Path, limit: int) -> bytes:
    """Return the content of a plain file.

    Args:
        path: the file, or a link to it.
        limit: the most bytes that it may have.

    Raises:
        UnusableFileError: it is a pipe, a socket or a device, or larger than the limit.
        OSError: it cannot be opened or read; `IsADirectoryError` for a folder.
    """
    # Without O_NONBLOCK the opening of a pipe waits until something opens its other end.
    number = os.open(path, os.O_RDONLY | os.O_CLOEXEC | getattr(os, "O_NONBLOCK", 0))
    try:
        status = os.fstat(number)
        _check(path, status, limit)  # before `open`, whose error for a folder would name the number
    except BaseException:
        os.close(number)
        raise
    with open(number, "rb") as file:  # noqa: PTH123 - of a number
        content = file.read(status.st_size + 1)
        while len(content) > status.st_size:  # it grows
            more = file.read(2**20)
            content += more
            if not more:
                break
            if len(content) > limit:
                raise UnusableFileError(f"it has more than the {limit:,} bytes that are read")
    return content


def check_file(path: Path, limit: int) -> None:
    """Check a file that is then read by a library, by its path; see `read_bytes`.

    Raises:
        UnusableFileError: it is a pipe, a socket or a device, or larger than the limit.
        OSError: it cannot be found; `IsADirectoryError` for a folder.
    """
    _check(path, path.stat(), limit)


def _check(path: str | Path, status: os.stat_result, limit: int) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(status.st_mode):
        raise UnusableFileError(f"it is {_kind(status.st_mode)}, not a file")
    if status.st_size > limit:
        raise UnusableFileError(f"its {status.st_size:,} bytes are more than the {limit:,} that are read")


def read_text(path: Path, limit: int, *, encoding: str = "utf-8", errors: str = "strict") -> str:
    r"""Return the text of a plain file, with its line ends as ``\n``.

    Args:
        path: the file.
        limit: the most bytes that it may have.
        encoding: as in `bytes.decode`.
        errors: as in `bytes.decode`.

    Raises:
        UnusableFileError: as for `read_bytes`.
        OSError: it cannot be opened or read.
        UnicodeDecodeError: it is not text.
    """
    text = read_bytes(path, limit).decode(encoding, errors)
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_json(path: Path, limit: int, *, constant: Callable[[str], object] | None = None) -> Any:  # noqa: ANN401
    """Return the value in a JSON file.

    Args:
        path: the file.
        limit: the most bytes that it may have.
        constant: converts ``NaN``, ``Infinity`` and ``-Infinity``; None: to the floating-point number.

    Raises:
        UnusableFileError: as for `read_bytes`, or it is nested too deeply.
        OSError: it cannot be opened or read.
        ValueError: it is not text, not JSON, or has a number of too many digits.
    """
    return parse_json(read_text(path, limit), constant=constant)


def parse_json(text: str, *, constant: Callable[[str], object] | None = None) -> Any:  # noqa: ANN401
    """Return the value of a JSON text; see `read_json`.

    Raises:
        UnusableFileError: it is nested too deeply.
        ValueError: it is not JSON, or has a number of too many digits.
    """
    try:
        return json.loads(text, parse_constant=constant, parse_int=_whole)
    except RecursionError as error:
        raise UnusableFileError("its brackets are nested too deeply") from error


def sealed(content: JsonDict) -> JsonDict:
    """Return JSON values with a checksum of them, as the last key ``sha256``; `unsealed` compares it."""
    return content | {_SEAL: _digest(content)}


def unsealed(found: Any) -> Any:  # noqa: ANN401
    """Return what `sealed` was given. Values without a checksum, of earlier versions, are returned as they are.

    Raises:
        UnusableFileError: the checksum is that of other values.
    """
    if not isinstance(found, dict) or _SEAL not in found:
        return found
    content = {key: value for key, value in found.items() if key != _SEAL}
    if found[_SEAL] != _digest(content):
        raise UnusableFileError("its values have changed since it was written: they do not match its sha256")
    return content


def _digest(content: JsonDict) -> str:
    plain = json.loads(json.dumps(content))  # as a reader has it: with texts as keys
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


def _whole(digits: str) -> int:
    if len(digits) > _MOST_DIGITS:
        raise UnusableFileError(f"it has a number of {len(digits):,} digits")
    return int(digits)


def _kind(mode: int) -> str:
    for is_kind, name in (
        (stat.S_ISFIFO, "a named pipe"),
        (stat.S_ISSOCK, "a socket"),
        (stat.S_ISCHR, "a device"),
        (stat.S_ISBLK, "a device"),
    ):
        if is_kind(mode):
            return name
    return "something else"
