"""Finding a table by its name."""

import os
from functools import lru_cache
from pathlib import Path

from aen.bench.files import read_table, read_test_columns
from aen.bench.manifest import check_folder, checked_content, read_manifest
from aen.bench.suites import definition
from aen.bench.table import FloatArray, Table
from aen.errors import TableError

SHIPPED = Path(__file__).parent / "tables"


def load(name: str, folder: Path | str | None = None) -> Table:
    """Return a table.

    Args:
        name: such as ``digits-07``; see `aen.bench.suite`.
        folder: where `aen bench build` wrote it; None: the tables of this package.

    Raises:
        TableError: there is no such table, it was not built, or its file is not the one that was built.
    """
    place = _place(folder)
    path = _file(name, place, f"{name}.parquet")
    table = _read(place, name, path.stat().st_mtime_ns, _changed(place))
    if table.name != name:
        raise TableError(f"table {path} is {table.name}, not {name}; build it again.")
    return table


def test_results(name: str, folder: Path | str | None = None) -> dict[str, FloatArray]:  # noqa: PT028 - no test
    """Return the results of a table's children on the test images: the final word, after everything was chosen.

    `test_loss` and `test_accuracy` by name, each of the shape ``[classes, seeds, epochs]``, in the order of `Table`.
    They are in a file of their own, and neither `Table` nor `TableEvaluator` nor an environment has them: nothing may
    be trained, tuned or selected by them. Report them once, for the classes that an agent chose by validation accuracy.

    Args:
        name: of the table.
        folder: where `aen bench build` wrote it; None: the tables of this package.

    Raises:
        TableError: as by `load`.
    """
    place = _place(folder)
    path = _file(name, place, f"{name}.test.parquet")
    return read_test_columns(path, checked_content(place, name, path.name))


test_results.__test__ = False  # type: ignore[attr-defined]  # pytest: not a test


def check_tables(folder: Path | str | None = None) -> list[str]:
    """Read every file that the manifest of a folder names and return the tables' names.

    Raises:
        TableError: there is no table, or a file is missing, damaged or not the one that was built.
    """
    place = _place(folder)
    names = sorted(read_manifest(place))
    if not names:
        raise TableError(f"{place} has no tables; build some with: aen bench build SUITE --out {place}")
    for name in names:
        load(name, place)
        if f"{name}.test.parquet" in read_manifest(place)[name]["files"]:
            test_results(name, place)
    return names


def _place(folder: Path | str | None) -> Path:
    place = SHIPPED if folder is None else Path(os.fspath(folder))
    check_folder(place)
    return place


def _file(name: str, place: Path, file: str) -> Path:
    definition(name)
    path = place / file
    if not path.is_file():
        raise TableError(f"table {name} is not in {place}; build it with: aen bench build {name} --out FOLDER")
    return path


def _changed(place: Path) -> int:
    path = place / "manifest.json"
    return path.stat().st_mtime_ns if path.is_file() else 0


@lru_cache(maxsize=128)
def _read(place: Path, name: str, changed: int, manifest_changed: int) -> Table:
    del changed, manifest_changed
    path = place / f"{name}.parquet"
    return read_table(path, checked_content(place, name, path.name))
