"""ISIC 2019: photographs of skin lesions, one JPEG file each, and a table of their classes."""

import csv
import functools
import hashlib
import io
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from aen.data.files import damaged, read_file, unreadable
from aen.data.image_cache import Bytes, cached_images
from aen.data.part import Part
from aen.data.source import SKIP_MISSING, Source, file_source, layouts_in, made_from
from aen.errors import DataError

FILES = ("ISIC_2019_Training_GroundTruth.csv", "ISIC_2019_Training_Input/")
ADDRESS = "https://challenge.isic-archive.com/data/#2019"
CLASSES = ("MEL", "NV", "BCC", "AK", "BKL", "DF", "VASC", "SCC")
_IMAGE, _UNKNOWN = "image", "UNK"
_COLUMNS = (_IMAGE, *CLASSES, _UNKNOWN)

_SHOWN = 3

# A line of the table: an image's name and class.
_Row = tuple[str, int]


def read_isic(
    paths: Sequence[Path], *, name: str, side: int, skip_missing: bool = False, pin: str | None = None
) -> list[Part]:
    """Read the images of ISIC 2019: the square in the middle of each, scaled.

    Args:
        paths: the table and the folder of images.
        name: of the data set at this size.
        side: of the images returned.
        skip_missing: load the data set without the images whose files are missing.
        pin: what `pin_of` must return; None: anything.

    Raises:
        DataError: a damaged table or image, or images that are not there.
    """
    table, folder = paths
    rows, missing = _split(paths)
    if missing and not skip_missing:
        named = ", ".join(f"{image}.jpg" for image in missing[:_SHOWN]) + (", ..." if len(missing) > _SHOWN else "")
        raise DataError(
            f"{folder} lacks {len(missing):,} of the {len(rows) + len(missing):,} images that {table} names: {named}; "
            f"get them from {ADDRESS}, or name the data set '{name}{SKIP_MISSING}' to load it without them."
        )
    if not rows:
        raise DataError(f"{folder} has none of the images that {table} names; get them from {ADDRESS}.")
    if pin is not None and _digest(rows) != pin:
        raise DataError(
            f"{folder} has changed: other images are there than when {name}{SKIP_MISSING}@{pin} was named. "
            "Put the earlier ones back, or name it without what follows the @."
        )
    files = [folder / f"{image}.jpg" for image, _ in rows]

    def decode() -> Iterator[Bytes]:
        for file in files:
            yield np.moveaxis(_decoded(file, name, side), 2, 0)[None]

    images = cached_images(name, files, (len(files), 3, side, side), decode, decoder=_decoder())
    return [Part(images, np.array([label for _, label in rows]), folder, table)]


def pin_of(paths: Sequence[Path]) -> str:
    """Return the beginning of a checksum of which images are there, and of their classes.

    Args:
        paths: the table and the folder of images.

    Raises:
        DataError: a damaged table.
    """
    return _digest(_split(paths)[0])


def _digest(rows: Sequence[_Row]) -> str:
    lines = "".join(f"{image},{label}\n" for image, label in rows)
    return hashlib.sha256(lines.encode()).hexdigest()[:16]


def _split(paths: Sequence[Path]) -> tuple[list[_Row], list[str]]:
    """Return the rows whose images are there, and the names of the other images."""
    table, folder = paths
    try:
        there = {path.name for path in folder.iterdir()}
    except OSError as error:
        raise unreadable(folder, error) from error
    rows = _read_table(table)
    return [row for row in rows if f"{row[0]}.jpg" in there], [i for i, _ in rows if f"{i}.jpg" not in there]


def _read_table(path: Path) -> list[_Row]:
    text = io.TextIOWrapper(io.BytesIO(read_file(path)), encoding="utf-8-sig", newline="")
    lines = csv.reader(text, strict=True)
    rows: dict[str, int] = {}
    first: dict[str, int] = {}
    try:
        header = next(lines, [])
        absent = [column for column in _COLUMNS if column not in header]
        if absent:
            raise damaged(path, f"it has no column {absent[0]!r}; its first line is {','.join(header)[:200]!r}")
        for line in lines:
            if not line:
                continue
            where = f"line {lines.line_num}"
            if len(line) != len(header):
                raise damaged(path, f"{where} has {len(line)} fields, not {len(header)}")
            cells = dict(zip(header, line, strict=True))
            image = cells[_IMAGE]
            if image in rows:
                raise damaged(path, f"{where} names {image!r} again, after line {first[image]}")
            rows[image], first[image] = _class(path, where, cells), lines.line_num
    except (csv.Error, UnicodeDecodeError) as error:
        raise damaged(path, f"it is not a table that can be read ({error})") from error
    if not rows:
        raise damaged(path, "it names no images")
    return list(rows.items())


def _class(path: Path, where: str, cells: dict[str, str]) -> int:
    values = [cells[column] for column in (*CLASSES, _UNKNOWN)]
    try:
        numbers = [float(value) for value in values]
    except ValueError:
        numbers = []
    if sorted(numbers) != [0.0] * len(CLASSES) + [1.0]:
        raise damaged(path, f"{where} ({cells[_IMAGE]!r}) has {','.join(values)[:200]}, not one 1.0 among 0.0")
    label = numbers.index(1.0)
    if label == len(CLASSES):
        raise damaged(path, f"{where} ({cells[_IMAGE]!r}) is of the class UNK, which no training image is of")
    return label


def _decoded(path: Path, name: str, side: int) -> Bytes:
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd metadata, which is not used
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            # Only this format: others may start programs, or open further files.
            with Image.open(path, formats=["JPEG"]) as file:
                image = file.convert("RGB")
        square = min(image.size)
        left, top = ((length - square) // 2 for length in image.size)
        image = image.crop((left, top, left + square, top + square))
        return np.asarray(image.resize((side, side), Image.Resampling.BILINEAR))
    except Exception as error:  # damaged bytes make Pillow fail in many ways
        if isinstance(error, OSError) and error.errno is not None:
            raise unreadable(path, error) from error
        raise DataError(
            f"{path}: it is not a JPEG image that can be read ({type(error).__name__}: {error}); get a whole copy "
            f"from {ADDRESS}, or remove it and name the data set '{name}{SKIP_MISSING}' to load it without this image."
        ) from error


def _decoder() -> str:
    import PIL

    return f"square, bilinear, Pillow {PIL.__version__}"


def _isic(name: str, side: int, *, skip_missing: bool = False, pin: str | None = None) -> Source:
    read = functools.partial(read_isic, name=name, side=side, skip_missing=skip_missing, pin=pin)
    return file_source(
        "isic",
        layouts_in([".", "ISIC_2019", "isic"], FILES, read, packed=False),
        side=side,
        classes=len(CLASSES),
        images=(25_331,),
        channels=3,
        how_to_get=f"Get it from {ADDRESS}.",
    )


def _with_skipping(source: Source, name: str, side: int) -> Source:
    def skip_missing(pin: str | None) -> Source:
        return made_from("isic", _isic(name, side, skip_missing=True, pin=pin))

    return replace(source, skip_missing=skip_missing, pin=pin_of)


SOURCES = {
    "isic": _with_skipping(_isic("isic", 256), "isic", 256),
    "isic-64": _with_skipping(made_from("isic", _isic("isic-64", 64)), "isic-64", 64),
}
