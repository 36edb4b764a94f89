"""Text tables with one image of 28x28 pixels and its label per line."""

import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from aen.data.files import damaged, read_file

TABLE_SIDE = 28


def read_table(path: Path, *, delimiter: str | None, header: bool, dtype: type) -> npt.NDArray[Any]:
    """Return the numbers of a table, shape ``[n, 785]``.

    Args:
        path: the file, packed by gzip or not.
        delimiter: between numbers; None: white space.
        header: whether the first line is skipped.
        dtype: of the numbers.

    Raises:
        DataError: it cannot be read, or a line has another number of numbers.
    """
    text = io.BytesIO(read_file(path))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of an empty table; it is refused below
            table: npt.NDArray[Any] = np.loadtxt(text, dtype=dtype, delimiter=delimiter, skiprows=int(header), ndmin=2)
    except (ValueError, UnicodeDecodeError, OverflowError) as error:
        raise damaged(path, f"it is not a table of numbers ({error})") from error
    if table.shape[0] == 0 or table.shape[1] != TABLE_SIDE * TABLE_SIDE + 1:
        raise damaged(path, f"it has {table.shape[0]} lines of {table.shape[1]} numbers; each line needs 785")
    return table
