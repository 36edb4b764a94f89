"""Reads columns of Parquet and Arrow files, of which a few bytes may stand for any number of rows, within bounds."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aen._machine import machine_memory
from aen.data.files import check_plain, damaged, unreadable
from aen.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

_MOST_ROWS, _MOST_FILE = 10_000_000, 2**35
_SMALL, _RATIO = 2**28, 100  # what unpacks to more bytes, and to so many times its size, is taken for a bomb
_BATCH = 256  # rows of a Parquet file, between which the memory is looked at


def table_schema(path: Path) -> "pa.Schema":
    """Return the schema of a file.

    Raises:
        DataError: it cannot be read.
    """
    with _damage_named(path) as pa:
        check_plain(path, _MOST_FILE)
        return pa.parquet.read_schema(path) if _is_parquet(path) else _opened(path).schema


def read_tables(paths: Iterable[Path], columns: Sequence[str]) -> "list[pa.Table]":
    """Return some columns of files; the images of an Arrow file that is not packed stay where they are.

    Raises:
        DataError: a file cannot be read, or all together take more than half of the memory.
    """
    import pyarrow as pa  # it takes a second

    before = pa.total_allocated_bytes()
    return [_read(path, columns, before) for path in paths]


def _read(path: Path, columns: Sequence[str], before: int) -> "pa.Table":
    with _damage_named(path) as pa:
        kept, rows, most = [], 0, machine_memory() // 2
        packed = pa.total_allocated_bytes(), max(_SMALL, _RATIO * path.stat().st_size)
        schema, batches = _batches(path, columns)
        for batch in batches:
            kept.append(batch)
            rows += len(batch)
            if rows > _MOST_ROWS:
                raise DataError(f"{path} has more than {_MOST_ROWS:,} rows; give fewer.")
            if pa.total_allocated_bytes() - packed[0] > packed[1]:
                raise DataError(
                    f"{path} unpacks to more than {_RATIO} times its size, as a decompression bomb; image files do "
                    "not. Save the table again, with nothing but the images."
                )
            if pa.total_allocated_bytes() - before > most:
                raise DataError(
                    f"{path} unpacks to more than half of the memory ({most / 2**30:.1f} GiB), with the other files of "
                    "the table; save the images as files, in a folder for each class."
                )
        table = pa.Table.from_batches(kept, kept[0].schema if kept else schema)
        table.validate(full=True)  # the offsets of a damaged file would be followed anywhere
        return table


def _batches(path: Path, columns: Sequence[str]) -> "tuple[pa.Schema, Iterator[pa.RecordBatch]]":
    import pyarrow as pa  # as above
    import pyarrow.parquet

    if _is_parquet(path):
        file = pa.parquet.ParquetFile(path)
        if file.metadata.num_rows > _MOST_ROWS:
            raise DataError(f"{path} announces {file.metadata.num_rows:,} rows, more than {_MOST_ROWS:,}; give fewer.")
        return file.schema_arrow, file.iter_batches(_BATCH, columns=list(columns))
    schema = _opened(path).schema
    opened = _opened(path, sorted(schema.get_field_index(column) for column in columns))
    if hasattr(opened, "num_record_batches"):
        return opened.schema, map(opened.get_batch, range(opened.num_record_batches))
    return opened.schema, iter(opened)


def _opened(path: Path, columns: Sequence[int] | None = None) -> Any:  # noqa: ANN401 - one of two readers of pyarrow
    import pyarrow as pa  # as above
    import pyarrow.ipc

    with pa.memory_map(str(path)) as file:
        is_file = file.read(6) == b"ARROW1"
    options = pa.ipc.IpcReadOptions(included_fields=columns)
    return (pa.ipc.open_file if is_file else pa.ipc.open_stream)(pa.memory_map(str(path)), options=options)


def _is_parquet(path: Path) -> bool:
    return path.suffix.lower() == ".parquet"


@contextmanager
def _damage_named(path: Path) -> Iterator[Any]:
    """Import pyarrow, and raise its errors as `DataError`."""
    import pyarrow as pa  # as above
    import pyarrow.ipc
    import pyarrow.parquet

    try:
        yield pa
    except DataError:
        raise
    except OSError as error:
        if error.errno is not None:
            raise unreadable(path, error) from error
        raise damaged(path, f"it cannot be read ({error})") from error
    except (pa.ArrowException, ValueError) as error:
        raise damaged(path, f"it is not a table that can be read ({' '.join(str(error).split())[:120]})") from error
