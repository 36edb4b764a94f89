"""csv tables: of ``path,label``, perhaps with ``group`` and ``split``; or of pixels, one image in each row."""

import csv
import io
import itertools
import os
from collections.abc import Sequence
from math import isqrt
from pathlib import Path

import numpy as np

from aen.data.files import damaged, read_file
from aen.data.own.folder import reader, refuse_outside
from aen.data.own.found import Content, Scan, numbered_groups, part_of
from aen.errors import DataError, did_you_mean

PIXEL_TABLE = "csv table of pixels"  # the kind of scan
_COLUMNS = {
    "path": ("path", "file_name", "filename", "file", "image", "image_path", "filepath"),
    "label": ("label", "class", "target", "y"),
    "group": ("group", "groups"),
    "split": ("split", "part", "set"),
}
_SHOWN = 3


def scan_csv(path: Path) -> Scan:
    """Read a csv table, and find the images that it names.

    Raises:
        DataError: it is no table of one of the two forms, or an image is not there.
    """
    header, rows = _read(path)
    columns = {what: _column(path, header, names) for what, names in _COLUMNS.items()}
    if columns["label"] is None:
        raise DataError(
            f"{path}: its first line is {','.join(header)[:60]!r}; name the columns, such as path,label (and perhaps "
            f"group and split){did_you_mean('label', header) if len(header) < 10 else ''}."  # noqa: PLR2004
        )
    if not rows:
        raise DataError(f"{path} has no rows below its header; give one for each image.")
    for number, row in enumerate(rows):
        if len(row) != len(header):
            raise damaged(path, f"row {number + 1} below the header has {len(row)} fields, not {len(header)}")
    if columns["path"] is None:
        return _scan_pixels(path, header, rows, columns)
    return _scan_paths(path, rows, columns)


def _read(path: Path) -> tuple[list[str], list[list[str]]]:
    text = io.TextIOWrapper(io.BytesIO(read_file(path)), encoding="utf-8-sig", newline="")
    try:
        first = next((line for line in text if line.strip()), "")
        delimiter = max(",;\t", key=first.count)
        lines = csv.reader(itertools.chain([first], text), delimiter=delimiter, strict=True)
        header = [field.strip() for field in next(lines, [])]
        return header, [row for row in lines if row]
    except (csv.Error, UnicodeDecodeError) as error:
        raise damaged(path, f"it is not a table that can be read ({error})") from error


def _column(path: Path, header: list[str], names: Sequence[str]) -> int | None:
    lower = [name.lower() for name in header]
    found = [name for name in names if name in lower]
    if found and lower.count(found[0]) > 1:
        raise DataError(f"{path} has the column {found[0]!r} twice; keep one.")
    return lower.index(found[0]) if found else None


def _scan_paths(path: Path, rows: list[list[str]], columns: dict[str, int | None]) -> Scan:
    root = path.parent
    written = _cells(rows, columns["path"])
    files = [_inside(path, root, name, number) for number, name in enumerate(written)]
    for folder in {os.path.dirname(name) for name in files}:  # noqa: PTH120 - few folders, up to 50,000 images
        _refuse_links(root, Path(folder))
    missing = [name for name in files if not os.path.isfile(os.path.join(root, name))]  # noqa: PTH113, PTH118
    if missing:
        more = f" and {len(missing) - _SHOWN:,} more" if len(missing) > _SHOWN else ""
        raise DataError(
            f"{path} names {len(missing):,} files that do not exist below {root}: {', '.join(missing[:_SHOWN])}{more}; "
            "correct the paths, which are relative to the table's folder, or remove these rows."
        )
    places: dict[str, int] = {}
    for number, name in enumerate(files):
        if name in places:
            raise DataError(
                f"{path} names {name!r} twice, in rows {places[name] + 1} and {number + 1} below the header; keep one."
            )
        places[name] = number

    def load() -> Content:
        return Content(
            np.array(_cells(rows, columns["label"])),
            files,
            reader(root, files),
            parts=_parts(path, rows, columns["split"]),
            groups=_groups(rows, columns["group"]),
        )

    return Scan("csv table of paths", root, (path.name, *files), load)


def _inside(table: Path, root: Path, name: str, number: int) -> str:
    path = Path(name)
    where = f"{table}: row {number + 1} below the header names"
    if not name or "\0" in name:
        raise DataError(f"{where} no file; give a path.")
    inner = os.path.normpath(os.path.relpath(path, root.absolute()) if path.is_absolute() else name)
    if inner.startswith("..") or inner == ".":
        raise DataError(f"{where} {name!r}, which leads out of {root}; put the table into a folder above its images.")
    if os.path.islink(os.path.join(root, inner)):  # noqa: PTH114, PTH118
        refuse_outside(root / inner, root)
    return inner


def _refuse_links(root: Path, folder: Path) -> None:
    """Refuse a folder below the root that lies elsewhere, because one of its folders is a link.

    Raises:
        DataError: it does.
    """
    if Path(os.path.realpath(root / folder)).is_relative_to(os.path.realpath(root)):  # no error for a circle of links
        return
    for above in (*reversed(folder.parents[:-1]), folder):
        if above == folder or (root / above).is_symlink():
            refuse_outside(root / above, root)


def _cells(rows: list[list[str]], column: int | None) -> list[str]:
    return [] if column is None else [row[column].strip() for row in rows]


def _parts(path: Path, rows: list[list[str]], column: int | None) -> "np.ndarray | None":
    if column is None:
        return None
    names = _cells(rows, column)
    numbers = [part_of(name) for name in names]
    if None in numbers:
        place = numbers.index(None)
        raise DataError(
            f"{path}: row {place + 1} below the header has the split {names[place]!r}; give train, validation or test."
        )
    return np.array(numbers, np.uint8)


def _groups(rows: list[list[str]], column: int | None) -> "np.ndarray | None":
    return None if column is None else numbered_groups(_cells(rows, column))


def _scan_pixels(path: Path, header: list[str], rows: list[list[str]], columns: dict[str, int | None]) -> Scan:
    """Return the scan of a table with a column for each pixel: square images, or signals."""
    taken = {column for column in columns.values() if column is not None}
    pixels = [place for place in range(len(header)) if place not in taken]
    if not pixels:
        raise DataError(
            f"{path} has no column of paths ({', '.join(_COLUMNS['path'][:3])}) and none of pixels; add one."
        )

    def load() -> Content:
        try:
            table = np.array([[float(row[place]) for place in pixels] for row in rows])
        except ValueError as error:
            raise damaged(path, f"it is not a table of pixels ({error}), and has no column 'path'") from error
        if not np.isfinite(table).all():
            bad = int(np.argmin(np.isfinite(table).all(axis=1)))
            raise DataError(f"{path}: row {bad + 1} below the header has a pixel that is NaN or infinite; correct it.")
        whole = bool((table == np.round(table)).all() and table.min() >= 0 and table.max() <= 255)  # noqa: PLR2004
        side = isqrt(len(pixels))
        square = side * side == len(pixels)
        images = table.astype(np.uint8 if whole else np.float32)
        return Content(
            np.array(_cells(rows, columns["label"])),
            images=images.reshape(len(images), 1, *((side, side) if square else (1, len(pixels)))),
            parts=_parts(path, rows, columns["split"]),
            groups=_groups(rows, columns["group"]),
            notices=(
                f"rows of {len(pixels)} numbers are "
                + (f"images of {side}x{side}" if square else f"signals of length {len(pixels)}"),
            ),
            signals=not square,
        )

    return Scan(PIXEL_TABLE, path.parent, (path.name,), load)
