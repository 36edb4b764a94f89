"""Locating data sets in the data folders: $AEN_DATA, ./data, /usr/share/datasets."""

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from aen.data.files import digest, inside, is_file, is_folder
from aen.data.part import Part
from aen.errors import DataError

SHARED_FOLDER = Path("/usr/share/datasets")
# A path, and perhaps the beginning of the file's sha256.
_NPZ = re.compile(r"(?P<path>.+\.npz)(?:@(?P<sha256>[0-9a-f]{16}))?", re.DOTALL)


@dataclass(frozen=True)
class Layout:
    """One arrangement of the files of a data set in a data folder.

    Attributes:
        files: paths below the data folder, in the order in which `read` takes them. One that ends in a slash is a
            folder.
        read: returns the training and the test part.
        what: what is special about this form, for `aen data list`.
        packed: each of the files may also end in ``.gz``.
    """

    files: tuple[str, ...]
    read: Callable[[Sequence[Path]], list[Part]]
    what: str = ""
    packed: bool = True


@dataclass(frozen=True)
class Found:
    """A data set that was found.

    Attributes:
        folder: the data folder.
        layout: in which form.
        paths: its files, in the layout's order.
    """

    folder: Path
    layout: Layout
    paths: tuple[Path, ...]


def data_folders() -> tuple[Path, ...]:
    """Return the folders in which data sets are looked for, the first first; they need not exist."""
    named = os.environ.get("AEN_DATA", "")
    return (*([expanded(named)] if named else []), Path("data"), SHARED_FOLDER)


def expanded(name: str) -> Path:
    """Return the path of a name, with ``~`` replaced by the user's home folder.

    Raises:
        DataError: there is no such user.
    """
    try:
        return Path(name).expanduser()
    except RuntimeError as error:
        raise DataError(f"path {name!r}: {error}; write the folder out in full.") from error


def locate(layouts: Sequence[Layout]) -> Found | None:
    """Return where a data set is, or None. The first folder counts first, then the first layout.

    Raises:
        DataError: a file is a link that leads outside its data folder.
    """
    for folder in data_folders():
        for layout in layouts:
            paths = _files(folder, layout)
            if all(path is not None for path in paths):
                return Found(folder, layout, tuple(path for path in paths if path is not None))
    return None


def require(name: str, layouts: Sequence[Layout], how_to_get: str) -> Found:
    """Return where a data set is.

    Raises:
        DataError: it is nowhere; the message says what to put where.
    """
    found = locate(layouts)
    if found is None:
        raise missing(name, layouts, how_to_get)
    return found


def missing(name: str, layouts: Sequence[Layout], how_to_get: str) -> DataError:
    """Return the error that a data set is not there, with what to put where."""
    folder = data_folders()[0]
    first = layouts[0]
    where = Path(first.files[0]).parent
    files = ", ".join(file.removeprefix(f"{where}/") for file in first.files)
    packed = " (packed by gzip or not)" if first.packed else ""
    return DataError(
        f"data set {name!r} was not found in {described_folders()}.{_incomplete(layouts)} "
        f"{how_to_get} Or put {files} into {folder / where}{packed}."
    )


def described_folders() -> str:
    """Return the data folders in words."""
    folders = [str(path) if path.is_dir() else f"{path} (no such folder)" for path in data_folders()]
    unset = "" if os.environ.get("AEN_DATA") else "; AEN_DATA is not set"
    return ", ".join(folders) + unset


def _incomplete(layouts: Sequence[Layout]) -> str:
    """Say which files are missing beside others that are there."""
    for folder in data_folders():
        for layout in layouts:
            there = _files(folder, layout)
            absent = [name for name, path in zip(layout.files, there, strict=True) if path is None]
            if len(absent) < len(layout.files):
                present = next(path for path in there if path is not None)
                return f" ({present} is there, but not {', '.join(absent)} below {folder}.)"
    return ""


def _files(folder: Path, layout: Layout) -> list[Path | None]:
    return [
        _folder(folder, name) if name.endswith("/") else _file(folder, name, packed=layout.packed)
        for name in layout.files
    ]


def _folder(folder: Path, name: str) -> Path | None:
    if not is_folder(folder / name):
        return None
    path = inside(folder, name)
    try:
        with os.scandir(path) as entries:
            links = [entry.name for entry in entries if entry.is_symlink()]
    except OSError as error:
        raise DataError(f"{path} cannot be listed: {error.strerror}; make it readable.") from error
    for link in links:
        inside(folder, f"{name}{link}")
    return path


def _file(folder: Path, name: str, *, packed: bool) -> Path | None:
    for spelling in (name, f"{name}.gz") if packed else (name,):
        # A file that is not there needs no check; a broken link is as good as nothing.
        if is_file(folder / spelling):
            return inside(folder, spelling)
    return None


def is_npz(name: str) -> bool:
    """Return whether a name is that of an npz file, pinned to its content or not."""
    return _NPZ.fullmatch(name) is not None


def pinned_npz(name: str) -> str:
    """Return the name of an npz file with the beginning of its sha256 behind it; any other name as it is.

    Raises:
        DataError: no such file.
    """
    match = _NPZ.fullmatch(name)
    if match is None or match["sha256"]:
        return name
    return f"{name}@{digest(find_npz(name), 'sha256')[:16]}"


def check_pin(name: str) -> None:
    """Check that a pinned npz file still has the content it was pinned to.

    Raises:
        DataError: it has changed.
    """
    match = _NPZ.fullmatch(name)
    path = find_npz(name)
    if match and match["sha256"] and not digest(path, "sha256").startswith(match["sha256"]):
        raise DataError(
            f"{path} has changed: its sha256 does not begin with {match['sha256']}. Put the earlier file back, "
            "or name it without what follows the @."
        )


def find_npz(name: str) -> Path:
    """Return the npz file that a user named: a full path, or a path below one of the data folders.

    Raises:
        DataError: no such file, or a path that leads outside.
    """
    match = _NPZ.fullmatch(name)
    name = match["path"] if match else name
    path = expanded(name)
    if path.is_absolute():
        if not is_file(path):
            raise DataError(f"npz file {name} does not exist.")
        return path
    for folder in data_folders():
        candidate = inside(folder, name)
        if is_file(candidate):
            return candidate
    raise DataError(
        f"npz file {name!r} was not found in {described_folders()}. Put it into one of them, or give its full path."
    )
