"""Text tables with one image of 28x28 pixels and its label per line."""

import csv
import io
import itertools
import re
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from aen.data.files import damaged, read_file
from aen.errors import DataError

TABLE_SIDE = 28
_COLUMNS = TABLE_SIDE * TABLE_SIDE + 1
_LABEL = "label"


def read_table(path: Path, *, dtype: type) -> npt.NDArray[Any]:
    """Return the numbers of a table without header, separated by white space, shape ``[n, 785]``.

    Args:
        path: the file, packed by gzip or not.
        dtype: of the numbers.

    Raises:
        DataError: it cannot be read, or a line has another number of numbers.
    """
    return _load(path, io.BytesIO(read_file(path)), dtype, delimiter=None)


def read_csv(path: Path) -> npt.NDArray[np.int64]:
    """Return the whole numbers of a csv table, shape ``[n, 785]``, the label first.

    Fields are separated by commas, semicolons or tabs. The first line is a header if it is not all numbers; it says
    which column is the label, which is otherwise the first.

    Raises:
        DataError: as for `read_table`, or a header without a column ``label``.
    """
    text = io.TextIOWrapper(io.BytesIO(read_file(path)), encoding="utf-8-sig")
    try:
        first = next((line for line in text if line.strip() and not line.lstrip().startswith("#")), "")
        delimiter = max(",;\t", key=first.count)
        fields = [field.strip() for field in next(csv.reader([first], delimiter=delimiter), [])]
        header = not all(map(_is_number, fields))
        label = _label_column(path, fields) if header else 0
        if not header:
            _refuse_numbered_columns(path, fields)
        table = _load(path, text if header else itertools.chain([first], text), np.int64, delimiter=delimiter)
    except (csv.Error, UnicodeDecodeError) as error:
        raise damaged(path, f"it is not a table of numbers ({error})") from error
    if header and len(fields) != _COLUMNS:
        raise damaged(path, f"its header has {len(fields)} columns, and each line {_COLUMNS} numbers")
    return np.concatenate([table[:, label : label + 1], np.delete(table, label, axis=1)], axis=1) if label else table


def _is_number(field: str) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True


def _label_column(path: Path, names: list[str]) -> int:
    """Return the number of the label's column, and check that the pixels' columns are in order."""
    lower = [name.lower() for name in names]
    if lower.count(_LABEL) != 1:
        raise DataError(
            f"{path}: its first line, {','.join(names)[:60]!r}, is neither numbers only nor a header with one column "
            f"{_LABEL!r}; correct it, or name the columns {_LABEL},pixel1,...,pixel{_COLUMNS - 1}."
        )
    column = lower.index(_LABEL)
    numbers = [int(found[0]) for name in lower if (found := re.search(r"\d+$", name))]
    if numbers != sorted(numbers):
        raise DataError(f"{path}: the columns of its header are not in the order of the pixels; sort them.")
    return column


def _refuse_numbered_columns(path: Path, fields: list[str]) -> None:
    """Refuse a header that numbers the columns, as pandas writes it where they have no names."""
    if len(fields) > 1 and [float(field) for field in fields] in ([*range(len(fields))], [*range(1, len(fields) + 1)]):
        raise DataError(
            f"{path}: its first line numbers the columns, {','.join(fields)[:20]}...; remove it if the first column is "
            f"the label, or name the columns {_LABEL},pixel1,...,pixel{_COLUMNS - 1}."
        )


def _load(path: Path, lines: Iterable[Any], dtype: type, *, delimiter: str | None) -> npt.NDArray[Any]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of an empty table; it is refused below
            table: npt.NDArray[Any] = np.loadtxt(lines, dtype=dtype, delimiter=delimiter, ndmin=2, quotechar='"')
    except (ValueError, OverflowError) as error:  # undecodable text is a ValueError, too
        raise damaged(path, f"it is not a table of numbers ({error})") from error
    if table.shape[0] == 0 or table.shape[1] != _COLUMNS:
        raise damaged(path, f"it has {table.shape[0]} lines of {table.shape[1]} numbers; each line needs {_COLUMNS}")
    return table
