"""Checking a data set: reads every file, compares known checksums and counts the images of each class."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import torch

from aen.data.files import checksum_kind, digest, read_file
from aen.data.find import Found, is_npz, require
from aen.data.registry import find_source, owner_of
from aen.data.source import Source
from aen.data.spec import DataSpec
from aen.errors import DataError


@dataclass(frozen=True)
class CheckedPart:
    """One part of a data set.

    Attributes:
        name: ``training``, ``test``, or ``all``.
        per_class: number of images of each class.
    """

    name: str
    per_class: tuple[int, ...]


@dataclass(frozen=True)
class CheckedData:
    """The report of a data set that was read without errors.

    Attributes:
        name: of the data set.
        files: each file with what is known about its checksum.
        parts: what it holds.
        notes: what is unusual about it.
    """

    name: str
    files: tuple[tuple[Path, str], ...]
    parts: tuple[CheckedPart, ...]
    notes: tuple[str, ...]


def check_data(name: str) -> CheckedData:
    """Read a data set and check it.

    Args:
        name: of the data set, a benchmark, or the path of an npz file.

    Raises:
        DataError: it is missing, damaged, or not what was published.
    """
    source = find_source(name)
    name = DataSpec(name).name
    basis, owner = owner_of(name)
    found = require(basis, owner.layouts, owner.how_to_get) if owner.layouts else None
    pool = source.load()  # before checksums are compared: its messages say more about what is damaged
    ends = [0, len(pool.labels)] if pool.official_train is None else [0, pool.official_train, len(pool.labels)]
    names = ["all"] if pool.official_train is None else ["training", "test"]
    parts = [
        CheckedPart(part, tuple(torch.bincount(pool.labels[start:end], minlength=source.classes).tolist()))
        for part, start, end in zip(names, ends, ends[1:], strict=False)
    ]
    notes = [found.layout.what] if found and found.layout.what else []
    sizes = tuple(sum(part.per_class) for part in parts)
    if source.images and sizes != source.images:
        notes.append(f"{_words(sizes)} images, where {_words(source.images)} were published")
    unused = [label for label in range(source.classes) if not any(part.per_class[label] for part in parts)]
    if unused and is_npz(name):
        notes.append(f"no image has the label {unused[0]}, which counts as a class; number the classes from 0 up")
    files = _checksums(basis, owner, found) if found else ()
    return CheckedData(name, files, tuple(parts), tuple(notes))


def _words(sizes: tuple[int, ...]) -> str:
    return " + ".join(f"{size:,}" for size in sizes)


def _checksums(name: str, source: Source, found: Found) -> tuple[tuple[Path, str], ...]:
    files = source.recipe.files if source.recipe else ()
    published = {Path(file.target).name: file.checksum for file in files}
    return tuple((path, _checksum(name, source, path, published.get(path.name))) for path in found.paths)


def _checksum(name: str, source: Source, path: Path, published: str | None) -> str:
    """Return what is known about the file's checksum."""
    content = source.content_md5.get(path.name.removesuffix(".gz"))
    if published is not None and (own := digest(path, checksum_kind(published))) == published:
        return "as published"
    if content is not None:
        own = hashlib.md5(read_file(path), usedforsecurity=False).hexdigest()
        if own == content:
            return "as published"
        published = content
    if published is None:
        return "no checksum known"
    raise DataError(
        f"{path}: checksum mismatch, its {checksum_kind(published)} is {own}, not {published}; "
        f"it is not the published file. Remove it, then run: aen data fetch {name}"
    )
