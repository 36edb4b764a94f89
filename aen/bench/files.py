"""Files of tables: Parquet, whose metadata has the table's definition.

A row is a child after an epoch. Accuracies are stored as numbers of images, without loss; losses are rounded to four
decimals and seconds to three.
"""

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from aen._files import write_atomically
from aen._typing import JsonDict
from aen.bench.definition import TableDefinition
from aen.bench.table import FloatArray, Table
from aen.errors import AenError, TableError
from aen.symmetry.result import SymmetryTest

VERSION = 2
COLUMNS = ("train_loss", "train_accuracy", "validation_loss", "validation_accuracy", "seconds")
TEST_COLUMNS = ("test_loss", "test_accuracy")
_METADATA = b"aen.bench"
_DECIMALS = {"loss": 4, "seconds": 3}


def write_table(table: Table, path: Path) -> None:
    """Write a table; the file appears complete or not at all.

    A row is a child after an epoch: the places of its class and seed, the epoch, and its results.
    """
    described = {
        "symmetry": None if table.symmetry is None else table.symmetry.to_json(),
        "parameters": table.parameters.tolist(),
        "provenance": table.provenance,
    }
    _write(path, table.definition, table.epochs, {name: table.results[name] for name in COLUMNS}, described)


def write_test_columns(
    definition: TableDefinition, epochs: tuple[int, ...], results: Mapping[str, FloatArray], path: Path
) -> None:
    """Write the results on the test images, which no table has, to a file of their own."""
    _write(path, definition, epochs, {name: results[name] for name in TEST_COLUMNS}, {})


def read_table(path: Path, content: bytes | None = None) -> Table:
    """Read a table.

    Args:
        path: the file.
        content: of the file, if it was read already.

    Raises:
        TableError: the file is missing, damaged or of another version.
    """
    definition, epochs, results, described = _read(path, content, COLUMNS)
    try:
        test = described["symmetry"]
        return Table(
            definition,
            epochs,
            results,
            np.array(described["parameters"], dtype=np.int64),
            described["provenance"],
            None if test is None else SymmetryTest.from_json(test),
        )
    except (AenError, KeyError, ValueError, TypeError) as error:
        raise TableError(f"table {path} cannot be read: {error}.") from error


def read_test_columns(path: Path, content: bytes | None = None) -> dict[str, FloatArray]:
    """Read the results on the test images, shape ``[classes, seeds, epochs]``; see `read_table`."""
    return _read(path, content, TEST_COLUMNS)[2]


def _write(
    path: Path,
    definition: TableDefinition,
    epochs: tuple[int, ...],
    results: Mapping[str, FloatArray],
    described: JsonDict,
) -> None:
    import pyarrow as pa  # takes half a second
    import pyarrow.parquet as pq

    shape = (len(definition.classes), len(definition.seeds), len(epochs))
    rows = np.indices(shape).reshape(3, -1)
    columns: dict[str, Any] = {
        "class": rows[0].astype(np.int16),
        "seed": np.array(definition.seeds, dtype=np.int64)[rows[1]],
        "epoch": np.array(epochs, dtype=np.int16)[rows[2]],
    }
    for name, values in results.items():
        columns |= _packed(name, values.reshape(-1), _images(definition))
    metadata = {
        "version": VERSION,
        "definition": definition.to_json(),
        "classes": [c.key for c in definition.classes],
        "images": _images(definition),
        **described,
    }
    content = pa.table(columns).replace_schema_metadata({_METADATA: json.dumps(metadata).encode()})
    buffer = io.BytesIO()
    pq.write_table(content, buffer, compression="zstd", compression_level=9)
    write_atomically(path, buffer.getvalue(), durable=True)


def _read(
    path: Path, content: bytes | None, names: tuple[str, ...]
) -> tuple[TableDefinition, tuple[int, ...], dict[str, FloatArray], JsonDict]:
    import pyarrow as pa  # takes half a second
    import pyarrow.parquet as pq

    try:
        stored = pq.read_table(io.BytesIO(path.read_bytes() if content is None else content))
        metadata = json.loads((stored.schema.metadata or {})[_METADATA])
        definition = _definition(metadata, path)
        epochs = tuple(sorted(set(stored["epoch"].to_pylist())))
        shape = (len(definition.classes), len(definition.seeds), len(epochs))
        results = {name: _unpacked(name, stored, metadata["images"]).reshape(shape) for name in names}
    except TableError:
        raise
    except (OSError, pa.ArrowException, AenError, AttributeError, KeyError, ValueError, TypeError) as error:
        raise TableError(f"table {path} cannot be read ({type(error).__name__}: {error}); build it again.") from error
    return definition, epochs, results, metadata


def _definition(metadata: JsonDict, path: Path) -> TableDefinition:
    if metadata["version"] != VERSION:
        raise TableError(f"table {path} has version {metadata['version']}, not {VERSION}; build it again.")
    definition = TableDefinition.from_json(metadata["definition"])
    if metadata["classes"] != [c.key for c in definition.classes]:
        raise TableError(f"table {path} has other classes than its space has now; build it again.")
    return definition


def _images(definition: TableDefinition) -> dict[str, int]:
    data = definition.child.data
    return {"train": data.train, "validation": data.validation, "test": data.test}


def _packed(name: str, values: FloatArray, images: Mapping[str, int]) -> dict[str, npt.NDArray[Any]]:
    """Return the columns of a result by name."""
    part, _, what = name.partition("_")
    if what != "accuracy":
        return {name: np.round(values, _DECIMALS[what or part]).astype(np.float32)}
    counts = np.rint(values * images[part])
    if np.abs(counts - values * images[part]).max(initial=0) > 1e-6:  # noqa: PLR2004 - rounding
        raise TableError(f"{name} is not a share of {images[part]:,} images; a table needs one data set.")
    return {f"{part}_right": counts.astype(np.uint16 if images[part] < 2**16 else np.uint32)}


def _unpacked(name: str, stored: Any, images: Mapping[str, int]) -> FloatArray:  # noqa: ANN401 - of pyarrow
    part, _, what = name.partition("_")
    if what != "accuracy":
        values: FloatArray = stored[name].to_numpy().astype(np.float64)
        return np.round(values, _DECIMALS[what or part])
    counts: FloatArray = stored[f"{part}_right"].to_numpy().astype(np.float64)
    return counts / images[part]
