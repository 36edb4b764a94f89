"""Reading members of tar and zip archives; names and links that lead outside the archive are refused."""

import tarfile
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO

from aen._reading import MALFORMED_ZIP
from aen.data.files import MAX_BYTES, check_plain, damaged, is_safe, unreadable
from aen.errors import DataError

_MOST_ARCHIVE = 2**38  # bytes


def read_members(path: Path, names: Sequence[str]) -> list[tuple[str, bytes]]:
    """Return the content of members of a tar or zip archive, in the order asked for, each with its file's name.

    Args:
        path: a ``.tar.gz``, ``.tar`` or ``.zip`` file.
        names: the members' full names.

    Raises:
        DataError: a damaged archive, a member that is missing, or one whose name or link leads outside.
    """
    wanted = set(names)
    found: dict[str, bytes] = {}
    try:
        for name, file, size in _members(path, wanted):
            if size > MAX_BYTES:
                raise damaged(path, f"its member {name!r} unpacks to more than 4 GiB")
            content = file.read(size + 1)
            if len(content) != size:
                raise damaged(path, f"its member {name!r} has another size than the archive says")
            found[name] = content
    except (tarfile.TarError, *MALFORMED_ZIP) as error:
        raise damaged(path, f"the archive is truncated or corrupted ({error})") from error
    except OSError as error:  # gzip raises BadGzipFile, an OSError without a number
        if error.errno is not None:
            raise unreadable(path, error) from error
        raise damaged(path, f"the archive cannot be read ({error.strerror or error})") from error
    missing = [name for name in names if name not in found]
    if missing:
        raise damaged(path, f"the archive has no {missing[0]!r}")
    return [(name.rsplit("/", 1)[-1], found[name]) for name in names]


def _members(path: Path, wanted: Iterable[str]) -> Iterator[tuple[str, IO[bytes], int]]:
    check_plain(path, _MOST_ARCHIVE)
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            for entry in archive.infolist():
                _refuse_unsafe(path, entry.filename)
                if entry.filename in wanted:
                    with archive.open(entry) as file:
                        yield entry.filename, file, entry.file_size
        return
    with tarfile.open(path) as tar:
        for member in tar:
            name = member.name.removeprefix("./")
            _refuse_unsafe(path, name)
            if member.issym() or member.islnk():
                _refuse_unsafe(path, member.linkname)
            if name in wanted:
                content = tar.extractfile(member) if member.isfile() else None
                if content is None:
                    raise damaged(path, f"its member {name!r} is not a plain file")
                yield name, content, member.size


def _refuse_unsafe(path: Path, name: str) -> None:
    if name not in {"", "."} and not is_safe(name):
        raise DataError(
            f"{path}: its member {name!r} leads outside the folder; this is not the published archive, remove it."
        )
