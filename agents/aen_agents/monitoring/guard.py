"""FolderGuard: notices that the folder of a running search, its store or one of its files is gone or replaced."""

import os
import shlex
import sys
import time
import weakref
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path

from aen._files import is_blank, permits
from aen._reading import MAX_SMALL, UnusableFileError, read_bytes
from aen.errors import AenError
from aen.results.store import ResultStore
from aen_agents.config import SearchConfig
from aen_agents.runs.folder import RunFolder
from aen_agents.text import command

_DELETED = " (deleted)"
_OPEN_FILES = Path("/proc/self/fd")  # Linux alone; elsewhere a log of SQLite that is removed is not noticed
OpenFile = tuple[str, int, int]  # descriptor, device, inode
_BESIDE_STORE = ("", "-wal", "-shm")


class FolderGuard:
    """Compares the files of a search with those with which it began.

    Args:
        folder: the run folder.
        config: of the search.
        store: its SQLite file; None: it is on a server.
        weights: the folder of its weights.
        gone_before: what `removed_files` was when the search began: files of earlier searches of this process, which
            a kept exception may hold open.
    """

    def __init__(
        self,
        folder: RunFolder,
        config: SearchConfig,
        store: Path | None,
        weights: Path,
        gone_before: Collection[OpenFile] = (),
    ) -> None:
        self.folder, self.config, self.store, self.weights = folder, config, store, weights
        self._real = Path(os.path.realpath(folder.path))
        self._real_store = None if store is None else Path(os.path.realpath(store))
        watched = (folder.path, weights, folder.path / "agent", folder.best, *(() if store is None else (store,)))
        self._began = {path: mark for path in watched if (mark := _identity(path)) is not None}
        # Open, so that file systems that number files anew once nobody uses them (FUSE) do not.
        for path in self._began:
            if path.is_dir():
                weakref.finalize(self, os.close, os.open(path, os.O_RDONLY))
        self._config_mark, self._config_text = _content_mark(folder.config_file), _text(folder.config_file)
        self._suspected: str | None = None
        self._gone_before = set(gone_before)

    def lost(self) -> str | None:
        """Return what is gone, as a sentence, if it was gone at the last call, too; otherwise None.

        The first sight does not count: SQLite itself removes files when its last connection is closed.
        """
        before, self._suspected = self._suspected, self.what_is_gone()
        return self._suspected if before == self._suspected else None

    def what_is_gone(self) -> str | None:
        """Return what is gone at this moment, as a clause, or None."""
        return next(self._problems(), None)

    def folder_is_foreign(self) -> bool:
        """Return whether the run folder is gone, or is not that of this search any more."""
        path = self.folder.path
        return _identity(path) != self._began.get(path) or any(self._of_config())

    def store_is_gone(self) -> bool:
        """Return whether the file of the store is not the one that the search has open."""
        return self.store is not None and (
            _identity(self.store) != self._began.get(self.store) or any(self._deleted_of_store())
        )

    def moved_to(self) -> Path | None:
        """Return where the run folder was moved, if an open file of it tells."""
        for link in self._links():
            path = Path(link)
            if path.name == "log.jsonl" and path.parent != self._real and self._is_folder(path.parent):
                return path.parent
        return None

    def _links(self) -> list[str]:
        found = _open_files()
        self._gone_before &= found.keys()  # once they are closed, a file of this search may have their numbers
        return [link for file, link in found.items() if file not in self._gone_before]

    def _is_folder(self, path: Path) -> bool:
        return _identity(path) == self._began.get(self.folder.path)

    def _problems(self) -> Iterator[str]:
        # First: what is in a folder that may not be entered cannot be looked at.
        for path in dict.fromkeys((self.folder.path, self.weights, *(() if self.store is None else (self.store,)))):
            if _identity(path) == self._began.get(path) and not permits(path, os.W_OK):
                yield f"{path} may not be written any more"
        for path, began in self._began.items():
            now = _identity(path)
            what = f"{'run folder ' if path == self.folder.path else ''}{path}"
            if now is None:
                yield f"{what} was {'moved away or ' if path == self.folder.path else ''}removed"
            elif now != began:
                yield f"{what} was replaced by another"
        for name in self._deleted_of_store():
            yield f"{name} was removed"
        for link in self._links():
            if link.endswith(_DELETED) and Path(link).is_relative_to(self._real) and Path(link).name[0] != "#":
                yield f"{link.removesuffix(_DELETED)} was removed"
        yield from self._of_config()

    def _deleted_of_store(self) -> Iterator[str]:
        if self._real_store is not None:
            names = {f"{self._real_store}{end}{_DELETED}" for end in _BESIDE_STORE}
            yield from (link.removesuffix(_DELETED) for link in self._links() if link in names)

    def _of_config(self) -> Iterator[str]:
        """Yield why ``config.yaml`` is not that of this search; edits of what does not change results are none."""
        file = self.folder.config_file
        mark = _content_mark(file)
        if mark == self._config_mark:
            return
        if mark is None:
            yield f"{file} was removed"
        elif is_blank(file):  # a resumed run would restore it
            yield f"{file} was replaced by an empty file"
        elif _text(file) != self._config_text:
            try:
                self.folder.check(self.config)
            except AenError:
                yield f"{file} was replaced by that of another search, or edited"
                return
            self._config_text = _text(file)
        self._config_mark = mark


def lost_message(gone: str, guard: FolderGuard, rescued: Path | None) -> str:
    """Return the message of a search that stopped: what is gone, where its results are, and how to resume it.

    Args:
        gone: as `FolderGuard.what_is_gone` returns it.
        guard: of the search.
        rescued: the copy of its store; None: there is none.
    """
    moved = guard.moved_to()
    path = guard.folder.path
    if moved is not None:
        rest = f"all results until then are kept in {moved}: `{command()} resume {shlex.quote(str(moved))}` resumes it"
    elif rescued is not None:
        use = f"move it to {guard.store} and resume" if _identity(path) else f"a search with store={rescued} uses them"
        rest = f"all results until then are saved in {rescued}; {use}"
    elif guard.folder_is_foreign() or guard.store_is_gone():
        rest = "results that were removed with it are lost; what was copied or moved elsewhere can be resumed there"
    else:
        kept = path if guard.store is None else guard.store
        resume = f"`{command()} resume {shlex.quote(str(path))}`"
        rest = f"all results until then are kept in {kept}: {resume} resumes it once this is put right"
    return f"{gone} while the search ran, so it was stopped; {rest}."


def rescue(store: ResultStore, guard: FolderGuard) -> Path | None:
    """Copy the results of a store whose file is gone, which is still open, to a file beside; return it, or None."""
    if guard.store is None or not guard.store_is_gone() or guard.moved_to() is not None:
        return None
    own = guard.store.parent == guard.folder.path and guard.folder_is_foreign()
    stem = guard.folder.path if own else guard.store.with_suffix("")
    target = stem.with_name(f"{stem.name}-rescued-{time.strftime('%Y%m%d-%H%M%S')}.sqlite").absolute()
    if target.exists() or not target.parent.is_dir():
        return None
    if not store.copy_to(target):
        target.unlink(missing_ok=True)
        return None
    return target


def _identity(path: Path) -> tuple[int, int] | None:
    """Return which file or folder a path leads to, or None; other errors than its absence are no news of it."""
    try:
        found = os.stat(path)  # noqa: PTH116 - like the rest of this file
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_dev, found.st_ino


def _content_mark(path: Path) -> tuple[int, int, int] | None:
    with suppress(OSError):
        found = path.stat()
        return found.st_ino, found.st_size, found.st_mtime_ns
    return None


def _text(path: Path) -> bytes | None:
    with suppress(OSError, UnusableFileError):
        return read_bytes(path, MAX_SMALL)
    return None


def removed_files() -> frozenset[OpenFile]:
    """Return the open files of this process that were removed."""
    return frozenset(file for file, link in _open_files().items() if link.endswith(_DELETED))


def _open_files() -> dict[OpenFile, str]:
    """Return the paths of this process's open files.

    Paths of files that were removed end with `_DELETED`.
    """
    if sys.platform != "linux":
        return {}
    found = {}
    with suppress(OSError):
        for entry in os.scandir(_OPEN_FILES):
            with suppress(OSError):
                status = os.stat(entry.path)  # noqa: PTH116 - like the rest of this file
                found[entry.name, status.st_dev, status.st_ino] = os.readlink(entry.path)  # noqa: PTH115
    return found
