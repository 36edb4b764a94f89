"""Downloading one file from a list of mirrors, with retries, resumption and a checksum before it gets its name."""

import errno
import hashlib
import http.client
import os
import re
import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

from aen._cache import append_own
from aen._locks import MOUNT_WITH_LOCKS, NoLocksError, check_locks, lock_file
from aen._secrets import hide_in_address, hide_secrets
from aen.data.files import MAX_BYTES, checksum_kind, make_folder
from aen.errors import DataError

# Called with the file's name, the bytes received so far, and the total (None: the server does not say).
Progress = Callable[[str, int, int | None], None]

ATTEMPTS = 4
_CHUNK = 2**18
_PARTIAL, _OUT_OF_RANGE = 206, 416
_RETRIED_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})
_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")


class _TransientError(Exception):
    """An error after which the same request may succeed when it is repeated."""


class _MirrorError(Exception):
    """An error after which the next mirror is tried."""


@dataclass(frozen=True)
class Patience:
    """How long to wait for a mirror.

    Attributes:
        timeout: seconds without a byte before an attempt is given up.
        first_wait: seconds before the second attempt; doubles with each.
        sleep: waits.
    """

    timeout: float
    first_wait: float
    sleep: Callable[[float], None]


def check_mirror(url: str) -> str:
    """Return the address of a mirror, ending in a slash.

    Raises:
        DataError: it is not an http or https address.
    """
    if not re.fullmatch(r"https?://[^\s/]+\S*", url, re.IGNORECASE):
        raise DataError(
            f"mirror {hide_in_address(url)!r} is not an address; give one such as https://example.org/mnist/."
        )
    return url if url.endswith("/") else f"{url}/"


def download(
    urls: Sequence[str], target: Path, checksum: str, *, patience: Patience, progress: Progress, put_by_hand: str
) -> None:
    """Fetch one file.

    Received bytes are kept in ``<target>.part`` until the file is complete; the next call resumes from
    there; so it does not use `aen._files`, which takes a new temporary file for every write.

    Args:
        urls: where the file is, the best first.
        target: the name it gets.
        checksum: of the whole file, an md5 or a sha256.
        patience: how long to wait.
        progress: called as bytes are received.
        put_by_hand: the sentence that says what to do without a network.

    Raises:
        DataError: no address gave the right file, it cannot be written, or another process is fetching it.
    """
    try:
        check_locks(target.parent)
    except NoLocksError as error:
        raise _no_locks(error) from error
    make_folder(target.parent)
    part = target.with_name(f"{target.name}.part")
    failures: list[str] = []

    def tell(done: int, total: int | None) -> None:
        progress(target.name, done, total)

    with _locked(part) as file:
        if file.tell() and _digest(file, checksum) == checksum:  # stopped between its last byte and its name
            part.replace(target)
            return
        for url in urls:
            if _from_mirror(url, file, checksum, patience=patience, progress=tell, failures=failures):
                part.replace(target)
                return
        if file.tell() == 0:
            part.unlink()
    raise DataError(f"{target.name} could not be fetched: {'; '.join(failures)}. {put_by_hand}")


@contextmanager
def _locked(part: Path) -> Iterator[FileIO]:
    """Open a part file for this process alone, at its end."""
    try:
        # Unbuffered: after a write that failed, closing must not try again and hide the reason.
        file = append_own(part, mode=0o666)
    except OSError as error:
        why = "it is a link" if error.errno == errno.ELOOP else error.strerror
        remedy = f"remove {part}, or choose" if os.path.lexists(part) else "choose"
        raise DataError(f"{part} cannot be written: {why}; {remedy} another folder with --to.") from error
    with file:
        try:
            # Another process may have finished and renamed it between opening and locking.
            mine = lock_file(file) and os.path.samestat(os.fstat(file.fileno()), part.stat())
        except NoLocksError as error:
            raise _no_locks(error) from error
        except FileNotFoundError:
            mine = False
        if not mine:
            raise DataError(f"{part} is being written by another process; wait for it, then try again.")
        yield file


def _no_locks(error: NoLocksError) -> DataError:
    return DataError(f"{error}; choose a folder on another file system (--to), or {MOUNT_WITH_LOCKS}.")


def _from_mirror(
    url: str,
    file: FileIO,
    checksum: str,
    *,
    patience: Patience,
    progress: Callable[[int, int | None], None],
    failures: list[str],
) -> bool:
    """Return whether the file is whole and right now; otherwise add to `failures`."""
    for attempt in range(ATTEMPTS):
        if attempt:
            patience.sleep(patience.first_wait * 2 ** (attempt - 1))
        try:
            with _faults(file):
                resumed = _receive(url, file, patience.timeout, progress)
        except _TransientError as error:
            failures.append(f"{hide_in_address(url)}: {error}")
            continue
        except _MirrorError as error:
            failures.append(f"{hide_in_address(url)}: {error}")
            return False
        found = _digest(file, checksum)
        if found == checksum:
            return True
        _empty(file)
        wrong = f"the file's {checksum_kind(checksum)} is {found}, not {checksum}"
        failures.append(f"{hide_in_address(url)}: checksum mismatch, {wrong}")
        if not resumed:  # a resumed file may have begun with other bytes; a fresh one is simply not the right one
            return False
    return False


def _receive(url: str, file: FileIO, timeout: float, progress: Callable[[int, int | None], None]) -> bool:
    """Append the missing bytes to the file; return whether the download resumed an earlier one."""
    have = file.tell()
    headers = {"User-Agent": "aen", "Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 - the opener knows http only
    with _opener().open(request, timeout=timeout) as response:
        total, resumed = _position(response, file, have)
        progress(file.tell(), total)
        while chunk := response.read(_CHUNK):
            _write(file, chunk)
            progress(file.tell(), total)
            if file.tell() > MAX_BYTES:
                _empty(file)
                raise _MirrorError("the server sends more than 4 GiB")
    if total is not None and file.tell() != total:
        raise _TransientError(f"the connection broke after {file.tell():,} of {total:,} bytes")
    return resumed


@contextmanager
def _faults(file: FileIO) -> Iterator[None]:
    """Say of every fault of the network whether it may pass."""
    try:
        yield
    except DataError:
        raise
    except urllib.error.HTTPError as error:
        error.close()
        answer = f"the server answers {error.code} {error.reason}"
        if error.code == _OUT_OF_RANGE and file.tell():
            _empty(file)
        elif error.code not in _RETRIED_STATUS:
            raise _MirrorError(answer) from error
        raise _TransientError(answer) from error
    except urllib.error.URLError as error:
        if isinstance(error.reason, socket.gaierror):
            raise _MirrorError("the host is unknown, or there is no network") from error
        if isinstance(error.reason, ssl.SSLCertVerificationError):
            raise _MirrorError(f"its certificate is refused ({error.reason.verify_message})") from error
        raise _TransientError(f"no answer ({hide_secrets(str(error.reason))})") from error
    except (http.client.HTTPException, OSError) as error:
        raise _TransientError(f"the connection broke after {file.tell():,} bytes ({error})") from error
    except ValueError as error:
        raise _MirrorError(f"this is no address ({hide_secrets(str(error))})") from error


def _position(response: http.client.HTTPResponse, file: FileIO, have: int) -> tuple[int | None, bool]:
    """Set the file to where the response begins; return the whole size and whether that is behind an earlier part."""
    if response.status == _PARTIAL:
        place = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
        if place is None or int(place[1]) != have:
            _empty(file)
            raise _TransientError("the server sent another byte range than was requested")
        return (None if place[2] == "*" else int(place[2])), True
    _empty(file)  # the server knows no ranges: from the beginning
    length = response.headers.get("Content-Length", "")
    return (int(length) if length.isdigit() else None), False


def _opener() -> urllib.request.OpenerDirector:
    """Return an opener that knows http and https only: a redirection cannot lead to a file."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.UnknownHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPRedirectHandler(),
        urllib.request.HTTPErrorProcessor(),
    ):
        opener.add_handler(handler)
    return opener


def _write(file: FileIO, chunk: bytes) -> None:
    rest = memoryview(chunk)
    try:
        while rest:
            rest = rest[file.write(rest) :]
    except OSError as error:
        raise DataError(
            f"{file.name} cannot be written: {error.strerror}; make room and run the same command again: it resumes."
        ) from error


def _empty(file: FileIO) -> None:
    file.seek(0)
    file.truncate()


def _digest(file: FileIO, checksum: str) -> str:
    """Return the file's checksum of the same kind as the one given; the file is at its end then."""
    file.seek(0)
    return hashlib.file_digest(file, checksum_kind(checksum)).hexdigest()
