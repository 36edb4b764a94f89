"""TestFigures: results on the test images while tables are built, in an SQLite file of their own.

No `Evaluation` and no result store has them, so that no search can read them.
"""

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from aen.errors import TableError
from aen.results.evaluation import TestMeasurement

NAME = "test_figures.sqlite"


class TestFigures:
    """The losses and accuracies of children on the test images after each epoch, by the key of the child.

    Args:
        folder: of the tables that are built.

    Raises:
        TableError: the file cannot be opened.
    """

    __test__ = False  # pytest: not a test case

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME
        try:
            self._database = sqlite3.connect(self.path, timeout=60)
            self._database.execute(
                "CREATE TABLE IF NOT EXISTS figures (key TEXT, epoch INTEGER, loss REAL, accuracy REAL, "
                "PRIMARY KEY (key, epoch)) WITHOUT ROWID"
            )
        except sqlite3.Error as error:
            raise TableError(f"{self.path} cannot be opened: {error}; remove it to measure again.") from error

    def keys(self) -> set[str]:
        """Return the keys of all children that were measured."""
        return {key for (key,) in self._database.execute("SELECT DISTINCT key FROM figures")}

    def add(self, key: str, measured: Sequence[TestMeasurement]) -> None:
        """Commit the results of a child after each epoch."""
        rows = [(key, epoch, each.test_loss, each.test_accuracy) for epoch, each in enumerate(measured, start=1)]
        with self._database:
            self._database.executemany("INSERT OR REPLACE INTO figures VALUES (?, ?, ?, ?)", rows)

    def of(self, key: str) -> list[TestMeasurement]:
        """Return the results of a child after each epoch; none: it was not measured."""
        found = self._database.execute("SELECT accuracy, loss FROM figures WHERE key = ? ORDER BY epoch", (key,))
        return [TestMeasurement(test_accuracy=accuracy, test_loss=loss) for accuracy, loss in found]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()
