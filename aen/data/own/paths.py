"""Names of own data: paths, each perhaps with a pin: the beginning of a checksum of the content."""

import os
import re
from pathlib import Path

from aen.data.files import is_safe
from aen.data.find import data_folders, expanded
from aen.errors import DataError, did_you_mean

SUFFIXES = (".npz", ".csv", ".tsv", ".parquet", ".arrow", ".feather", ".gz")
_PINNED = re.compile(r"(?P<path>.+)@(?P<pin>[0-9a-f]{16})", re.DOTALL)
_IDX = re.compile(r".*-(images|labels)[-.]idx\d-ubyte", re.DOTALL)


def is_own(name: str) -> bool:
    """Return whether a name is a path, not the name of a data set: it has a separator or a known ending."""
    path, _ = split_pin(name)
    return "/" in path or os.sep in path or path.lower().endswith(SUFFIXES) or _IDX.fullmatch(path) is not None


def split_pin(name: str) -> tuple[str, str | None]:
    """Return the path and the pin, or None, of a name by its spelling alone: what it names may be on another machine.

    Names of complete specs have a pin, so that this is right also for a path that ends like one.
    """
    match = _PINNED.fullmatch(name)
    return (match["path"], match["pin"]) if match else (name, None)


def split_pin_here(name: str) -> tuple[str, str | None]:
    """Return the path and the pin, or None, of a name of data here: what exists under the whole name has no pin."""
    path, pin = split_pin(name)
    return (name, None) if pin is not None and any(map(_exists, _places(name))) else (path, pin)


def placed(name: str) -> str:
    """Return a name with its path made absolute, where it is one below the working folder.

    A relative path below one of the data folders stays as it is: it names the same data on every machine.
    """
    path, pin = split_pin_here(name)
    file = expanded(path)
    if file.is_absolute() or any(_exists(folder / file) for folder in data_folders()):
        return name if not path.startswith("~") else _named(file, pin)
    return _named(file.absolute(), pin) if _exists(file) else name


def own_path(path: str | os.PathLike[str]) -> str:
    """Return the name of a path that a user gave as one, absolute. The path need not exist."""
    text, pin = split_pin_here(os.fspath(path))
    if not text:
        raise DataError("data.path is empty; give the path of a file or a folder.")
    file = expanded(text)
    if not file.is_absolute() and not _exists(file) and any(_exists(folder / file) for folder in data_folders()):
        return _named(text if is_own(text) else f"./{text}", pin)
    return _named(Path(os.path.normpath(file.absolute())), pin)


def find_own(name: str) -> Path:
    """Return the file or folder that a name means.

    Raises:
        DataError: there is none; the message names what is there of a similar name.
    """
    text, _ = split_pin_here(name)
    places = _places(text)
    for place in places:
        if _exists(place):
            return place
    raise DataError(f"data path {text!r} does not exist{_near(places[-1])}; give the path of a file or a folder.")


def _places(text: str) -> list[Path]:
    """Return where a path may lie: below a data folder, out of which it may not lead, or where it says."""
    path = expanded(text)
    if path.is_absolute():
        return [path]
    below = data_folders() if is_safe(text.removeprefix("./")) else ()
    return [*(folder / path for folder in below), path]


def _near(path: Path) -> str:
    """Say which sibling could have been meant, or which of the folders above is missing."""
    above = path.parent
    while not _exists(above) and above != above.parent:
        path, above = above, above.parent
    try:
        names = [entry.name for entry in os.scandir(above) if not entry.name.startswith(".")]
    except OSError:
        return ""
    hint = did_you_mean(path.name, names)
    return f": {str(above)!r} has no {path.name!r}{hint if hint.startswith(' (did') else ''}"


def _named(path: str | Path, pin: str | None) -> str:
    return f"{path}@{pin}" if pin else str(path)


def _exists(path: Path) -> bool:
    try:
        return os.path.lexists(path)
    except (OSError, ValueError):
        return False
