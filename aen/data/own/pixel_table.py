"""csv tables with a column for each pixel, one image or signal in each row."""

import re
from collections import Counter
from collections.abc import Mapping
from math import isqrt

import numpy as np
import numpy.typing as npt

from aen.data.own.csv_rows import CsvTable, groups_of
from aen.data.own.found import Content, Scan
from aen.errors import DataError

PIXEL_TABLE = "csv table of pixels"  # the kind of scan
_MOST = 255
_SHOWN = 3


def scan_pixels(table: CsvTable, columns: Mapping[str, int | None]) -> Scan:
    """Return the scan of a table of pixels, whose rows are read when it is loaded.

    Args:
        table: the table.
        columns: the places of ``label``, ``group`` and ``split``; all others hold pixels.
    """
    taken = {what: place for what, place in columns.items() if place is not None}
    pixels = [place for place in range(len(table.header)) if place not in taken.values()]
    _check_alike(table, [table.header[place] for place in pixels])
    return Scan(PIXEL_TABLE, table.path.parent, (table.path.name,), lambda: _load(table, taken, pixels))


def _check_alike(table: CsvTable, names: list[str]) -> None:
    """Check that the columns of pixels are named alike, as by numbers: any other column would be taken for a pixel.

    Raises:
        DataError: most of them are, and some are not.
    """
    forms = [re.sub(r"\d+", "#", name) for name in names]
    (common, count), *_ = Counter(forms).most_common()
    others = [name for name, form in zip(names, forms, strict=True) if form != common]
    if others and 2 * count > len(names):
        raise DataError(
            f"{table.path} has the columns {', '.join(map(repr, others[:_SHOWN]))} beside those of the pixels "
            f"({common.replace('#', '0')!r} and so on); remove them, or rename them: label, group and split are known."
        )


def _load(table: CsvTable, taken: Mapping[str, int], pixels: list[int]) -> Content:
    images: list[npt.NDArray[np.uint8] | npt.NDArray[np.float32]] = []
    cells: dict[str, list[str]] = {what: [] for what in taken}
    for number, row in enumerate(table.rows(), 1):
        for what, place in taken.items():
            cells[what].append(row[place].strip())
        images.append(_pixels(table, [row[place] for place in pixels], number))
    if not images:
        raise table.no_rows()
    side = isqrt(len(pixels))
    square = side * side == len(pixels)
    whole = all(image.dtype == np.uint8 for image in images)
    stacked = np.stack(images, dtype=np.uint8 if whole else np.float32, casting="unsafe")
    return Content(
        np.array(cells["label"]),
        images=stacked.reshape(len(images), 1, *((side, side) if square else (1, len(pixels)))),
        parts=table.parts_of(cells.get("split")),
        groups=groups_of(cells.get("group")),
        notices=(
            f"rows of {len(pixels)} numbers are "
            + (f"images of {side}x{side}" if square else f"signals of length {len(pixels)}"),
        ),
        signals=not square,
    )


def _pixels(table: CsvTable, texts: list[str], number: int) -> npt.NDArray[np.uint8] | npt.NDArray[np.float32]:
    """Return the numbers of a row, in the smallest type that keeps them."""
    try:
        with np.errstate(over="ignore"):  # becomes infinite, which is refused
            values = np.array(list(map(float, texts))).astype(np.float32)
    except ValueError as error:
        wrong = next(place for place, text in enumerate(texts) if not _is_number(text))
        raise DataError(
            f"{table.path}: row {number} below the header has {texts[wrong][:40]!r} as pixel {wrong + 1}, which is no "
            "number such as 12 or 0.5; correct it, or name the column of image files 'path'."
        ) from error
    if not np.isfinite(values).all():
        raise DataError(f"{table.path}: row {number} below the header has a pixel that is NaN or infinite; correct it.")
    if values.min() >= 0 and values.max() <= _MOST and (values == np.round(values)).all():
        return values.astype(np.uint8)
    return values


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
