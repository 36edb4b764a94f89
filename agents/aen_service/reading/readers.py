"""Readers: the runs that were looked at last, and the stores of results."""

import re
import threading
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path

from aen._reading import MALFORMED, MAX_SMALL, read_text
from aen.errors import AenError
from aen.results.columns import StoreColumns
from aen_agents.config.yaml_file import parse_yaml
from aen_service.reading.run import RunReader
from aen_service.searches.records import SearchRecord
from aen_service.settings import Settings

_MOST_RUNS = 40  # that are kept in memory
_STORE_LINE = re.compile(r"^store:\s*(.+?)\s*$", re.MULTILINE)


class Readers:
    """Readers of runs by search; may be used from several threads.

    Args:
        settings: of the service.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._runs: OrderedDict[str, RunReader] = OrderedDict()
        self._shared = StoreColumns(settings.store)

    def of(self, record: SearchRecord) -> RunReader:
        """Return the reader of a search's run, whose folder may not exist yet."""
        with self._lock:
            found = self._runs.get(record.id)
            if found is None:
                found = self._runs[record.id] = self._reader(record)
            self._runs.move_to_end(record.id)
            while len(self._runs) > _MOST_RUNS:
                self._runs.popitem(last=False)
            return found

    def forget(self, search: str) -> None:
        """Drop what is kept of a search, which was removed."""
        with self._lock:
            self._runs.pop(search, None)

    def warm(self) -> None:
        """Read the store that all searches share, so that the first request need not wait for it."""
        with suppress(AenError):
            self._shared.snapshot()

    def _reader(self, record: SearchRecord) -> RunReader:
        root = self._settings.root
        folder = root / record.path
        if record.request is not None:
            return RunReader(folder, self._shared, whole_store=False, root=root)
        own = folder / "results.sqlite"
        named = None if own.is_file() else _named_store(folder)
        if named is None:
            return RunReader(folder, StoreColumns(own), whole_store=True, root=root)
        if "://" in named or not Path(named).is_absolute():
            return RunReader(folder, None, whole_store=False, root=root)
        store = self._shared if Path(named) == self._settings.store else StoreColumns(Path(named))
        return RunReader(folder, store, whole_store=False, root=root)


def _named_store(folder: Path) -> str | None:
    """Return the store that the config of a run names; None: it is in the folder."""
    with suppress(AenError, OSError, *MALFORMED):
        found = _STORE_LINE.search(read_text(folder / "config.yaml", MAX_SMALL))
        value = None if found is None else parse_yaml(found[1])
        return value if isinstance(value, str) else None
    return None
