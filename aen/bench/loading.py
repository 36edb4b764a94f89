"""Finding a table by its name."""

import os
from functools import lru_cache
from pathlib import Path

from aen.bench.files import read_table
from aen.bench.suites import definition
from aen.bench.table import Table
from aen.errors import TableError

SHIPPED = Path(__file__).parent / "tables"


def load(name: str, folder: Path | str | None = None) -> Table:
    """Return a table.

    Args:
        name: such as ``digits-07``; see `aen.bench.suite`.
        folder: where `aen bench build` wrote it; None: the tables of this package.

    Raises:
        TableError: there is no such table, or it was not built.
    """
    place = SHIPPED if folder is None else Path(os.fspath(folder))
    path = place / f"{definition(name).name}.parquet"
    if not path.is_file():
        raise TableError(f"table {name} is not in {place}; build it with: aen bench build SUITE --out {place}")
    return _read(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=128)
def _read(path: Path, changed: int) -> Table:
    del changed
    return read_table(path)
