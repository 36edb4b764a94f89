"""KeptWeights: the files of weights beside the service's store, of which the least recently used go first."""

import os
import re
from collections.abc import Callable, Collection
from contextlib import ExitStack, suppress
from pathlib import Path

from aen.errors import AenError
from aen.results.store import ResultStore
from aen_agents.runs.shared_weights import sharing, weights_beside
from aen_service.errors import NotFoundError
from aen_service.reading.artefacts import Artefact, open_file

_SUFFIX = ".safetensors"
_FILE = re.compile(rf"[0-9a-f]{{24}}{re.escape(_SUFFIX)}")
_MEDIA = "application/octet-stream"
_PARTS = 16  # the folder is looked through whenever so small a part of the limit was added


class KeptWeights:
    """The folder of weights that all searches of the service and its remote clients share.

    A client says of no weights that it needs them no more, so that the folder has a limit: beyond it, the files that
    were not used for the longest time are removed. Whoever needs them again has the child trained again.

    Args:
        store: file of the store.
        limit: bytes of all files together.
    """

    def __init__(self, store: Path, limit: int) -> None:
        folder = weights_beside(str(store))
        assert folder is not None  # noqa: S101 - the store is a file
        self.folder = folder
        self._limit = limit
        self._added = limit
        self._opened = ExitStack()

    def open(self, store: ResultStore) -> None:
        """Make the folder, and keep searches from removing files of it until `close`.

        Raises:
            RunFolderError: it cannot be written.
        """
        self._opened.enter_context(sharing(self.folder, None, store))

    def close(self) -> None:
        """Let go of the folder; files that no result names are removed, if no search uses it."""
        self._opened.close()

    def has(self, key: str) -> bool:
        """Return whether the weights of a key are there."""
        return (self.folder / _name(key)).is_file()

    def use(self, key: str) -> bool:
        """Return whether the weights of a key are there, which are then the most recently used ones."""
        try:
            os.utime(self.folder / _name(key), follow_symlinks=False)
        except OSError:
            return False
        return True

    def remove(self, key: str) -> None:
        """Remove weights that are damaged."""
        (self.folder / _name(key)).unlink(missing_ok=True)

    def read(self, key: str) -> tuple[int, Artefact]:
        """Open the weights of a key; return the number of the file, which the caller closes, and what it is.

        Raises:
            NotFoundError: they are not there.
        """
        try:
            found = open_file(self.folder, _name(key), _MEDIA)
        except OSError as error:
            raise NotFoundError(
                f"the weights of {key} are not kept here; evaluate the child with keep_weights.", argument="key"
            ) from error
        self.use(key)
        return found

    def added(self, key: str, needed: Callable[[], Collection[str]], store: ResultStore) -> None:
        """Note that weights were written; remove others if there are too many.

        Args:
            key: of the new weights.
            needed: returns the keys of weights that stay.
            store: forgets those that are removed.
        """
        with suppress(OSError):
            self._added += (self.folder / _name(key)).stat().st_size
        if self._added * _PARTS < self._limit:
            return
        self._added = 0
        gone = self._remove({key, *needed()})
        with suppress(AenError):  # a name without its file is harmless
            store.forget_weights(gone)

    def _remove(self, needed: Collection[str]) -> list[str]:
        found, total = [], 0
        for entry in os.scandir(self.folder):
            if _FILE.fullmatch(entry.name):
                with suppress(OSError):
                    status = entry.stat(follow_symlinks=False)
                    found.append((status.st_mtime_ns, status.st_size, entry.name.removesuffix(_SUFFIX)))
                    total += status.st_size
        gone: list[str] = []
        for _, size, key in sorted(found):
            if total <= self._limit * (1 - 1 / _PARTS):
                break
            if key not in needed:
                self.remove(key)
                gone.append(key)
                total -= size
        return gone


def _name(key: str) -> str:
    name = f"{key}{_SUFFIX}"
    if not _FILE.fullmatch(name):
        raise NotFoundError(f"{key[:40]!r} is no key; keys are 24 hexadecimal digits.", argument="key")
    return name
