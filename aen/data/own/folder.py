"""Class folders: a folder of images for each class, perhaps below ``train``, ``val`` and ``test``."""

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np

from aen.data.files import read_plain, unreadable
from aen.data.own.found import PART_NAMES, TEST, TRAIN, VALIDATION, Content, Scan, part_of
from aen.errors import DataError

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".tif", ".tiff", ".bmp", ".dib", ".webp", ".gif")
# Files that systems leave in folders; they are ignored without a word.
_LEFT_BEHIND = {"thumbs.db", "desktop.ini", "__macosx", "ehthumbs.db", "@eadir", "icon\r"}
_SHOWN = 3
_MOST_DEPTH = 100
MAX_IMAGE_BYTES = 2**30


def is_hidden(name: str) -> bool:
    """Return whether a file or folder is hidden, or one that systems leave behind."""
    return name.startswith(".") or name.lower() in _LEFT_BEHIND


def is_image(name: str) -> bool:
    """Return whether a file's name ends like that of an image."""
    return name.lower().endswith(IMAGE_SUFFIXES)


def entries(folder: Path, root: Path) -> list[os.DirEntry[str]]:
    """Return the entries of a folder that are not hidden, by name.

    Raises:
        DataError: it cannot be listed, or one is a link that leads out of the root, or no file or folder.
    """
    try:
        with os.scandir(folder) as found:
            kept = sorted((entry for entry in found if not is_hidden(entry.name)), key=lambda entry: entry.name)
    except OSError as error:
        raise unreadable(folder, error) from error
    for entry in kept:
        if entry.is_symlink():
            refuse_outside(Path(entry.path), root)
        if not entry.is_dir() and not entry.is_file():  # reading a pipe would wait for ever
            raise DataError(f"{entry.path} is neither a file nor a folder, but a pipe, socket or device; remove it.")
    return kept


def refuse_outside(path: Path, root: Path) -> None:
    """Refuse a link that leads out of a folder.

    Raises:
        DataError: it does, or it leads nowhere.
    """
    try:
        real = path.resolve(strict=True)
    except (OSError, RuntimeError) as error:
        raise DataError(f"{path} is a link that cannot be followed ({error}); remove it.") from error
    if not real.is_relative_to(root.resolve()):
        raise DataError(f"{path} is a link that leads out of {root}, to {real}; copy what it leads to, or remove it.")
    if path.parent.resolve().is_relative_to(real):
        raise DataError(f"{path} is a link to a folder that contains it ({real}); remove it.")


def scan_class_folders(root: Path) -> Scan:
    """Find the images of a folder of class folders.

    Raises:
        DataError: there are no class folders, or no images in one.
    """
    parts = _parts(root)
    files: list[str] = []
    labels: list[str] = []
    numbers: list[int] = []
    ignored: list[str] = []
    for name, part in parts.items():
        base = root / name
        for entry in entries(base, root):
            if not entry.is_dir():
                ignored.append(f"{name}/{entry.name}".removeprefix("/"))
                continue
            before = len(files)
            _collect(Path(entry.path), root, f"{name}/{entry.name}/".removeprefix("/"), files, ignored)
            labels += [entry.name] * (len(files) - before)
            numbers += [TRAIN if part is None else part] * (len(files) - before)
    if not files:
        raise _nothing(root, ignored)
    notices = _notices(root, parts, labels, ignored)
    divided = None if parts.keys() == {""} else np.array(numbers, np.uint8)

    def load() -> Content:
        return Content(np.array(labels), files, reader(root, files), parts=divided, notices=notices)

    return Scan("folder of class folders", root, tuple(files), load)


def _notices(root: Path, parts: Iterable[str], labels: list[str], ignored: list[str]) -> tuple[str, ...]:
    """Say what is not used."""
    empty = sorted({entry.name for part in parts for entry in entries(root / part, root) if entry.is_dir()} - {*labels})
    notices = []
    if empty:
        notices.append(f"folders without images are ignored: {_listed(empty)}")
    if ignored:
        outside = [name for name in ignored if is_image(name)]
        others = [name for name in ignored if not is_image(name)]
        if outside:
            notices.append(f"images outside of class folders are ignored: {_listed(outside)}")
        if others:
            notices.append(f"files that are no images are ignored: {_listed(others)}")
    return tuple(notices)


def _parts(root: Path) -> dict[str, int | None]:
    """Return the folders that hold the class folders, with the part that each means; the root itself means none.

    Raises:
        DataError: some folders are parts and others are not, or two mean the same part.
    """
    known = {entry.name: part_of(entry.name) for entry in entries(root, root) if entry.is_dir()}
    train = next((name for name, part in known.items() if part == TRAIN), None)
    if not (_are_parts(root, known) if train is None else _class_folders(root, train) is not None):
        return {"": None}
    others = [name for name, part in known.items() if part is None]
    if others:
        raise DataError(
            f"{root} has the folder {train!r} of training images, and beside it {_listed(others)}, which is none of "
            "train, val and test; name it one of them, or move it elsewhere."
        )
    _refuse_twice(root, known)
    return dict(known)


def _are_parts(root: Path, known: dict[str, int | None]) -> bool:
    """Return whether folders without one of training images are parts, not classes of these names.

    They are parts if all are called so and the same class folders are in each.
    """
    if None in known.values():
        return False
    inside = [_class_folders(root, name) or set() for name in known]
    return bool(inside and set.intersection(*inside))


def _class_folders(root: Path, name: str) -> set[str] | None:
    """Return the names of the folders in a folder, or None if it holds images."""
    found = entries(root / name, root)
    if any(entry.is_file() and is_image(entry.name) for entry in found):
        return None
    return {entry.name for entry in found if entry.is_dir()}


def reader(root: Path, files: list[str]) -> Callable[[int], bytes]:
    """Return the function that reads the file of a number."""
    prefix = os.path.join(root, "")  # noqa: PTH118 - a Path for each of 50,000 images takes a second

    def read(number: int) -> bytes:
        return read_plain(prefix + files[number], MAX_IMAGE_BYTES)

    return read


def _collect(folder: Path, root: Path, below: str, files: list[str], ignored: list[str]) -> None:
    if below.count("/") > _MOST_DEPTH:
        raise DataError(f"{folder} lies more than {_MOST_DEPTH} folders deep in {root}; move its images up.")
    for entry in entries(folder, root):
        if entry.is_dir():
            _collect(Path(entry.path), root, f"{below}{entry.name}/", files, ignored)
        else:
            (files if is_image(entry.name) else ignored).append(f"{below}{entry.name}")


def _refuse_twice(root: Path, parts: dict[str, int | None]) -> None:
    for number in (TRAIN, VALIDATION, TEST):
        names = [name for name, part in parts.items() if part == number]
        if len(names) > 1:
            raise DataError(
                f"{root} has the folders {' and '.join(map(repr, names))}, which both mean {PART_NAMES[number]}; "
                "keep one."
            )


def _nothing(root: Path, ignored: list[str]) -> DataError:
    flat = [name for name in ignored if is_image(name)]
    if flat:
        return DataError(
            f"{root} has {len(flat):,} images ({_listed(flat)}) but no class folders; put the images of each class "
            "into a folder named by the class, or give a csv file with the columns path,label."
        )
    found = f"; it has {_listed(ignored)}" if ignored else "; it is empty"
    return DataError(
        f"{root} has no images{found}. Give a folder with a folder of images for each class (png, jpg, tif, bmp, "
        "webp), or an npz, csv, IDX, Parquet or Arrow file."
    )


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return f"{', '.join(names[:_SHOWN])}{more}"


def files_of(root: Path, inner: Callable[[str], bool] = lambda _name: False, *, below: str = "") -> Iterator[str]:
    """Yield the files of a folder, and of the folders below it whose names `inner` accepts, relative to it."""
    if below.count("/") > _MOST_DEPTH:
        raise DataError(f"{root / below} lies more than {_MOST_DEPTH} folders deep in {root}; move its files up.")
    for entry in entries(root / below, root):
        if entry.is_file():
            yield f"{below}{entry.name}"
        elif entry.is_dir() and inner(entry.name):
            yield from files_of(root, inner, below=f"{below}{entry.name}/")
