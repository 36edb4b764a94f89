"""Source: a named data set, with its files, how they are read and where they can be downloaded."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from aen.data.find import Layout, require
from aen.data.part import Part

if TYPE_CHECKING:
    from aen.data.pool import Pool

# Appended to a data set's name: load it without the images whose files are missing.
SKIP_MISSING = ":skip-missing"


@dataclass(frozen=True)
class Download:
    """One file to fetch.

    Attributes:
        name: of the file, below a mirror's address.
        target: where it goes, below the data folder.
        checksum: the published one, an md5 or a sha256.
        unpack: for an archive, which of its members go where; the archive itself is not kept.
    """

    name: str
    target: str
    checksum: str
    unpack: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Recipe:
    """How a data set is fetched.

    Attributes:
        mirrors: addresses of folders that hold the files, tried in order.
        files: all that it needs.
    """

    mirrors: tuple[str, ...]
    files: tuple[Download, ...]


@dataclass(frozen=True)
class Source:
    """A data set by name. Everything but its images is known without reading a file.

    Attributes:
        load: returns all images, before moves and split.
        side: side of the images; rows and columns if they are not square.
        classes: number of classes.
        channels: 1 for grey images, 3 for colour.
        images: number of training and of test images as published, or of all where there is no official split.
        layouts: the forms in which its files are accepted; empty: it needs none, or another data set's.
        made_from: the data set whose files it needs.
        recipe: how its files are downloaded; None: they must be obtained by hand.
        content_md5: checksums of the unpacked files by name: they stay the same when a file is packed again.
        how_to_get: the sentence that says how to obtain its files.
        origin: where its images come from if it has no files.
        skip_missing: returns the source without the images whose files are missing, given the pin of its name or None;
            None: it has no such form.
        pin: returns the pin of the images that are there, given the paths of its files.
        class_names: of the classes, in their order; empty: they are numbers.
        notices: what a user should know about how the images were made.
        pinned: the name of own data, with a checksum of its content.
        signals: whether its images are signals, with a row for each channel.
    """

    load: "Callable[[], Pool]"
    side: int | tuple[int, int]
    classes: int
    channels: int = 1
    images: tuple[int, ...] = ()
    layouts: tuple[Layout, ...] = ()
    made_from: str | None = None
    recipe: Recipe | None = None
    content_md5: Mapping[str, str] = field(default_factory=dict)
    how_to_get: str = ""
    origin: str = ""
    skip_missing: "Callable[[str | None], Source] | None" = None
    pin: Callable[[Sequence[Path]], str] | None = None
    class_names: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    pinned: str = ""
    signals: bool = False


def file_source(
    name: str,
    layouts: Sequence[Layout],
    *,
    side: int,
    classes: int,
    images: tuple[int, ...],
    channels: int = 1,
    recipe: Recipe | None = None,
    content_md5: Mapping[str, str] | None = None,
    how_to_get: str | None = None,
) -> Source:
    """Return a source that is read from files in a data folder.

    Args:
        name: of the data set, for messages.
        layouts: the forms in which its files are accepted, the preferred one first.
        side: see `Source`.
        classes: see `Source`.
        images: see `Source`.
        channels: see `Source`.
        recipe: see `Source`.
        content_md5: see `Source`.
        how_to_get: see `Source`; None: by ``aen data fetch``, which needs a recipe.

    Raises:
        ValueError: neither a recipe nor `how_to_get` is given.
    """
    if recipe is None and how_to_get is None:
        raise ValueError(f"data set {name!r} has no recipe to download it; say in how_to_get how to obtain it.")
    wanted = tuple(layouts)
    sentence = how_to_get or f"Get it with: aen data fetch {name}."

    def load() -> "Pool":
        from aen.data.pool import pool_of  # it imports torch, which takes seconds

        found = require(name, wanted, sentence)
        return pool_of(found.layout.read(found.paths), side=side, channels=channels, classes=classes)

    return Source(load, side, classes, channels, images, wanted, None, recipe, content_md5 or {}, sentence)


def made_from(basis: str, source: Source) -> Source:
    """Return a source whose files are those of another data set, which is found and downloaded instead."""
    return replace(source, layouts=(), made_from=basis, recipe=None, content_md5={})


def layouts_in(
    folders: Sequence[str],
    files: Sequence[str],
    read: Callable[[Sequence[Path]], list[Part]],
    *,
    packed: bool = True,
) -> list[Layout]:
    """Return the layouts of files of the same names in any of some folders; ``.`` is the data folder itself."""
    paths = [tuple(f"{folder}/{file}".removeprefix("./") for file in files) for folder in folders]
    return [Layout(names, read, packed=packed) for names in paths]
