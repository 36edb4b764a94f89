"""csv tables: of ``path,label``, perhaps with ``group`` and ``split``; or of pixels, one image in each row."""

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from aen.data.own.csv_rows import CsvTable, groups_of
from aen.data.own.folder import reader, refuse_outside
from aen.data.own.found import Content, Scan
from aen.data.own.pixel_table import scan_pixels
from aen.errors import DataError, did_you_mean

_COLUMNS = {
    "path": ("path", "file_name", "filename", "file", "image", "image_path", "filepath"),
    "label": ("label", "class", "target", "y"),
    "group": ("group", "groups"),
    "split": ("split", "part", "set"),
}
_SHOWN = 3


def scan_csv(path: Path) -> Scan:
    """Read the header of a csv table, and of one with paths also its rows, and find the images that it names.

    Raises:
        DataError: it is no table of one of the two forms, or an image is not there.
    """
    table = CsvTable(path)
    columns = {what: table.column(names) for what, names in _COLUMNS.items()}
    if columns["label"] is None:
        raise DataError(
            f"{path}: its first line is {','.join(table.header)[:60]!r}; name the columns, such as path,label (and "
            f"perhaps group and split){did_you_mean('label', table.header) if len(table.header) < 10 else ''}."  # noqa: PLR2004
        )
    if columns["path"] is not None:
        return _scan_paths(table, columns)
    if len(table.header) == sum(place is not None for place in columns.values()):
        raise DataError(
            f"{path} has no column of paths ({', '.join(_COLUMNS['path'][:3])}) and none of pixels; add one."
        )
    return scan_pixels(table, columns)


def _scan_paths(table: CsvTable, columns: Mapping[str, int | None]) -> Scan:
    path, root = table.path, table.path.parent
    places_of = {what: place for what, place in columns.items() if place is not None}
    rows = [{what: row[place].strip() for what, place in places_of.items()} for row in table.rows()]
    if not rows:
        raise table.no_rows()
    cells = {what: [row[what] for row in rows] for what in places_of}
    files = [_inside(path, root, name, number) for number, name in enumerate(cells["path"])]
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
            np.array(cells["label"]),
            files,
            reader(root, files),
            parts=table.parts_of(cells.get("split")),
            groups=groups_of(cells.get("group")),
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
