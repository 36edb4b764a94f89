"""Building tables: every class of a space is trained on every seed."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from aen.bench.definition import TableDefinition
from aen.bench.files import COLUMNS, write_table
from aen.bench.table import Table
from aen.evaluators.base import Evaluator, stream

Progress = Callable[[str, int, int], None]


def build_table(definition: TableDefinition, evaluator: Evaluator, folder: Path, progress: Progress) -> Table:
    """Train every child of a table and write it to ``<name>.parquet``.

    Args:
        definition: which children.
        evaluator: trains them; with a store, what an earlier start has trained is looked up.
        folder: where the file goes.
        progress: called with the table's name, the number of children that are done, and of all.
    """
    specs = definition.specs()
    shape = (len(definition.classes), len(definition.seeds), 1)
    results = {name: np.zeros(shape) for name in COLUMNS}
    parameters = np.zeros(len(definition.classes), dtype=np.int64)
    for done, (place, evaluation) in enumerate(stream(evaluator, specs), start=1):
        row, column = divmod(place, len(definition.seeds))
        for name in COLUMNS:
            results[name][row, column, 0] = getattr(evaluation, name)
        parameters[row] = evaluation.parameters
        progress(definition.name, done, len(specs))
    table = Table(definition, (int(definition.child.training.epochs),), results, parameters, {})
    write_table(table, folder / f"{definition.name}.parquet")
    return table
