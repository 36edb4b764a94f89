"""Fetching a data set: downloads its files, checks them and unpacks archives."""

import hashlib
import time
from collections.abc import Callable
from pathlib import Path

from aen.data.archives import read_members
from aen.data.download import Patience, Progress, check_mirror, download
from aen.data.files import checksum_kind, digest, inside, is_file, make_folder, read_file, whole_file
from aen.data.find import data_folders, is_npz
from aen.data.registry import owner_of
from aen.data.source import Download, Recipe, Source
from aen.errors import DataError


def _silent(_name: str, _done: int, _total: int | None) -> None:
    pass


def fetch(
    name: str,
    *,
    to: Path | None = None,
    mirror: str | None = None,
    progress: Progress = _silent,
    timeout: float = 30.0,
    first_wait: float = 1.0,
    sleep: Callable[[float], None] = time.sleep,
) -> list[Path]:
    """Fetch a data set into a data folder; files that are already there and correct are kept.

    Args:
        name: the data set, or one made from it, such as ``gmnist-multi-3``.
        to: the data folder; None: $AEN_DATA, or ./data where that is not set.
        mirror: an address to use instead of the known ones.
        progress: called with the file's name, the bytes received and the total.
        timeout: seconds without a byte before an attempt is given up.
        first_wait: seconds before a second attempt; they double.
        sleep: waits.

    Returns:
        The files of the data set.

    Raises:
        DataError: nothing to fetch under this name, no mirror has the right file, or it cannot be written.
    """
    name, source, recipe = _fetched(name)
    folder = data_folders()[0] if to is None else to
    mirrors = recipe.mirrors if mirror is None else (check_mirror(mirror),)
    paths: list[Path] = []
    for file in recipe.files:
        paths += _fetch_file(
            name, source, file, folder, mirrors, progress=progress, patience=Patience(timeout, first_wait, sleep)
        )
    return paths


def _fetched(name: str) -> tuple[str, Source, Recipe]:
    """Return the data set whose files are fetched for a name, and how.

    Raises:
        DataError: there is no such data set, or nothing to fetch for it.
    """
    if is_npz(name):
        raise DataError(f"{name!r} is a file of your own; put it into a data folder, there is nothing to fetch.")
    name, source = owner_of(name)
    if source.recipe is not None:
        return name, source, source.recipe
    if not source.layouts:
        raise DataError(f"data set {name!r} comes with {source.origin or 'its package'}; there is nothing to fetch.")
    files = ", ".join(source.layouts[0].files)
    raise DataError(f"data set {name!r} cannot be fetched. {source.how_to_get} Put its files here: {files}")


def _fetch_file(
    name: str,
    source: Source,
    file: Download,
    folder: Path,
    mirrors: tuple[str, ...],
    *,
    progress: Progress,
    patience: Patience,
) -> list[Path]:
    target = inside(folder, file.target)
    members = [inside(folder, place) for _, place in file.unpack]
    if members and all(is_file(member) for member in members):
        return members
    if not _is_right(source, target, file):
        by_hand = (
            f"Without a network: get {file.name} by other means, put it at {target}, "
            f"then run: aen data {'fetch' if members else 'check'} {name}"
        )
        urls = [mirror + file.name for mirror in mirrors]
        download(urls, target, file.checksum, patience=patience, progress=progress, put_by_hand=by_hand)
    if not members:
        return [target]
    contents = read_members(target, [member for member, _ in file.unpack])
    for path, (_, content) in zip(members, contents, strict=True):
        make_folder(path.parent)
        with whole_file(path) as unpacked:
            unpacked.write(content)
    target.unlink()
    return members


def _is_right(source: Source, path: Path, file: Download) -> bool:
    """Return whether the file exists with the published content, however it is compressed."""
    if not is_file(path):
        return False
    if digest(path, checksum_kind(file.checksum)) == file.checksum:
        return True
    known = source.content_md5.get(path.name.removesuffix(".gz"))
    try:
        return known is not None and hashlib.md5(read_file(path), usedforsecurity=False).hexdigest() == known
    except DataError:
        return False
