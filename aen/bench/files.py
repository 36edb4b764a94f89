"""Files of tables: Parquet, whose metadata has the table's definition."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np

from aen._files import write_atomically
from aen.bench.definition import TableDefinition
from aen.bench.table import Table
from aen.errors import TableError

VERSION = 1
COLUMNS = ("train_loss", "train_accuracy", "validation_loss", "validation_accuracy", "seconds")
_METADATA = b"aen.bench"


def write_table(table: Table, path: Path) -> None:
    """Write a table; the file appears complete or not at all.

    A row is a child after an epoch: the places of its class and seed, the epoch, and its results.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    classes, seeds, epochs = table.results[COLUMNS[0]].shape
    rows = np.indices((classes, seeds, epochs)).reshape(3, -1)
    columns: dict[str, Any] = {
        "class": rows[0].astype(np.int16),
        "seed": np.array(table.definition.seeds, dtype=np.int64)[rows[1]],
        "epoch": np.array(table.epochs, dtype=np.int16)[rows[2]],
        **{name: table.results[name].reshape(-1).astype(np.float32) for name in COLUMNS},
    }
    described = {
        "version": VERSION,
        "definition": table.definition.to_json(),
        "classes": [c.key for c in table.definition.classes],
        "parameters": table.parameters.tolist(),
        "provenance": table.provenance,
    }
    content = pa.table(columns).replace_schema_metadata({_METADATA: json.dumps(described).encode()})
    buffer = io.BytesIO()
    pq.write_table(content, buffer, compression="zstd")
    write_atomically(path, buffer.getvalue(), durable=True)


def read_table(path: Path) -> Table:
    """Read a table.

    Raises:
        TableError: the file is missing, damaged or of another version.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        content = pq.read_table(path)
        described = json.loads(content.schema.metadata[_METADATA])
        if described["version"] != VERSION:
            raise TableError(f"table {path} has version {described['version']}, not {VERSION}; build it again.")
        definition = TableDefinition.from_json(described["definition"])
        if described["classes"] != [c.key for c in definition.classes]:
            raise TableError(f"table {path} has other classes than its space has now; build it again.")
        epochs = tuple(sorted(set(content["epoch"].to_pylist())))
        shape = (len(definition.classes), len(definition.seeds), len(epochs))
        results = {name: content[name].to_numpy().astype(np.float64).reshape(shape) for name in COLUMNS}
        parameters = np.array(described["parameters"], dtype=np.int64)
    except (OSError, pa.ArrowException, KeyError, ValueError, TypeError) as error:
        if isinstance(error, TableError):
            raise
        raise TableError(f"table {path} cannot be read: {error}.") from error
    return Table(definition, epochs, results, parameters, described["provenance"])
