"""Unpacks a zip of class folders, and checks archives for bombs before anything of them is written."""

import os
import stat
import zipfile
from pathlib import Path, PurePosixPath

from aen._reading import MALFORMED_ZIP
from aen._text import printable
from aen.data.own.folder import is_hidden, is_image
from aen.errors import DataError

MOST_ENTRIES = 200_000
_MOST_RATIO = 200  # unpacked to packed; images are packed already
_MOST_DEPTH = 8
_LONGEST_NAME = 200
_BLOCK = 2**16
_DIRECTORY = 2**16  # bytes of a zip's end in which the number of its entries is found


def check_archive(path: Path, limit: int) -> list[zipfile.ZipInfo]:
    """Return the entries of a zip, or of an npz file, which is one.

    Args:
        path: the file.
        limit: bytes of all entries when they are unpacked.

    Raises:
        DataError: it is no zip, damaged, encrypted, or unpacks to too much.
    """
    try:
        if _announced(path) > MOST_ENTRIES:
            raise DataError(f"{path} has more than {MOST_ENTRIES:,} entries; leave images out.")
        with zipfile.ZipFile(path) as archive:
            found = archive.infolist()
    except MALFORMED_ZIP as error:
        raise DataError(f"{path} is no zip file, or a damaged one ({error}); pack it again.") from error
    if len(found) > MOST_ENTRIES:
        raise DataError(f"{path} has {len(found):,} entries; at most {MOST_ENTRIES:,} are unpacked.")
    total = sum(entry.file_size for entry in found)
    if total > limit:
        raise DataError(f"{path} unpacks to {total:,} bytes, above the {limit:,} of this service; leave images out.")
    if any(entry.flag_bits & 1 for entry in found):
        raise DataError(f"{path} is encrypted; pack it again without a password.")
    return found


def _announced(path: Path) -> int:
    """Return the number of entries that the end of a zip announces, before Python makes an object of each."""
    with path.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        file.seek(max(0, end - _DIRECTORY - 22))
        tail = file.read()
    place = tail.rfind(b"PK\x05\x06")
    size = int.from_bytes(tail[place + 12 : place + 16], "little") if place >= 0 else 0
    return size // 46  # the bytes of an entry of the directory, at least


def unpack(path: Path, target: Path, limit: int) -> list[str]:
    """Unpack the images of a zip of class folders; return notices.

    Folders around all class folders are left out, and files that are no images. Nothing is written outside of the
    target, and no links or devices are made.

    Args:
        path: the zip.
        target: a folder that is made.
        limit: bytes of the unpacked files together.

    Raises:
        DataError: a name leads out of the archive, two names differ in case alone, an entry is a link or a device, or
            it is a bomb.
        OSError: a file cannot be written.
    """
    images: dict[PurePosixPath, zipfile.ZipInfo] = {}
    ignored = 0
    seen: set[str] = set()
    for entry in check_archive(path, limit):
        name = _safe(path, entry)
        if name is None:
            continue
        if entry.is_dir() or any(map(is_hidden, name.parts)):
            continue
        if not is_image(name.name):
            ignored += 1
            continue
        if str(name).casefold() in seen:
            raise DataError(f"{path} has {printable(str(name))!r} twice, or in two spellings; rename one.")
        seen.add(str(name).casefold())
        images[name] = entry
    if not images:
        raise DataError(
            f"{path} has no images; give a zip with a folder of images for each class (png, jpg, tif, bmp, webp), or "
            "an npz, IDX, Parquet or Arrow file."
        )
    around = _around(list(images))
    _check_classes_differ(path, images, around)
    target.mkdir()
    left = limit
    try:
        with zipfile.ZipFile(path) as archive:
            for name, entry in images.items():
                file = target.joinpath(*name.parts[around:])
                file.parent.mkdir(parents=True, exist_ok=True)
                left = _extract(archive, entry, file, left, path)
    except MALFORMED_ZIP as error:
        raise DataError(f"{path} is damaged ({printable(str(error))}); pack it again.") from error
    return [f"{ignored:,} files of the zip are no images and were left out"] if ignored else []


def _safe(path: Path, entry: zipfile.ZipInfo) -> PurePosixPath | None:
    """Return the name of an entry, which leads nowhere else; None: it names nothing.

    Raises:
        DataError: it leads out of the archive, or is no file.
    """
    given = entry.orig_filename
    shown = printable(given[:_LONGEST_NAME])
    name = PurePosixPath(given.replace("\\", "/"))
    if "\0" in given or name.is_absolute() or ".." in name.parts or (len(given) > 1 and given[1] == ":"):
        raise DataError(f"{path} has the entry {shown!r}, whose name leads out of the archive; pack it again.")
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in {0, stat.S_IFREG, stat.S_IFDIR}:
        raise DataError(f"{path} has the entry {shown!r}, which is a link or a device; pack plain files alone.")
    too_long = any(len(part.encode("utf-8", "surrogateescape")) > _LONGEST_NAME for part in name.parts)
    if len(name.parts) > _MOST_DEPTH or too_long or not str(name).isprintable():
        raise DataError(f"{path} has the entry {shown!r}, whose name is too long, too deep, or not printable.")
    ratio = entry.file_size / max(entry.compress_size, 1)
    if ratio > _MOST_RATIO and entry.file_size > _BLOCK:
        raise DataError(f"{path} has the entry {shown!r}, which unpacks to {ratio:,.0f} times its size.")
    return name if name.parts else None


def _around(names: list[PurePosixPath]) -> int:
    """Return how many folders lie around all class folders."""
    depth = 0
    while all(len(name.parts) > depth + 2 for name in names) and len({name.parts[depth] for name in names}) == 1:
        depth += 1
    return depth


def _check_classes_differ(path: Path, images: dict[PurePosixPath, zipfile.ZipInfo], around: int) -> None:
    folders = {name.parent.parts[around:] for name in images}
    by_case: dict[str, tuple[str, ...]] = {}
    for folder in folders:
        for end in range(1, len(folder) + 1):
            text = "/".join(folder[:end])
            other = by_case.setdefault(text.casefold(), folder[:end])
            if other != folder[:end]:
                raise DataError(f"{path} has the folders {'/'.join(other)!r} and {text!r}; rename one.")


def _extract(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, file: Path, left: int, path: Path) -> int:
    """Write an entry; return how many bytes may still be written. What the archive announces is not believed."""
    with archive.open(entry) as source, file.open("xb") as out:
        while block := source.read(_BLOCK):
            left -= len(block)
            if left < 0:
                raise DataError(f"{path} unpacks to more than it announces; it is damaged, or a bomb.")
            out.write(block)
    return left
