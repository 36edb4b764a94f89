"""The rows of csv tables, read one after the other, so that tables of many numbers fit in the memory."""

import csv
import gzip
import io
import itertools
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt

from aen.data.files import check_plain, damaged, read_file, unreadable
from aen.data.own.found import numbered_groups, part_of
from aen.errors import DataError

_LONGEST_LINE = 2**26  # characters
_GZIP = b"\x1f\x8b"


class CsvTable:
    """A csv table, of which only the header is read when it is opened.

    Args:
        path: of the file, packed by gzip or not.

    Attributes:
        path: likewise.
        header: the names of the columns, without blanks around them.

    Raises:
        DataError: it cannot be read, or its first line is no header.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        check_plain(path)
        try:
            with path.open("rb") as plain:
                packed = plain.read(len(_GZIP)) == _GZIP
                plain.seek(0)
                file: IO[bytes] = gzip.GzipFile(fileobj=plain) if packed else plain  # type: ignore[assignment]
                text = _as_text(file)
                try:
                    self.header = [field.strip() for field in next(self._lines(text), [])]
                finally:
                    text.detach()  # or it would close the file
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise damaged(path, f"the gzip file is corrupted ({error})") from error
        except OSError as error:
            raise unreadable(path, error) from error

    def rows(self) -> Iterator[list[str]]:
        """Yield the rows below the header that are not empty.

        Raises:
            DataError: a row has more or fewer fields than the header, or the file is damaged.
        """
        lines = self._lines(_as_text(io.BytesIO(read_file(self.path))))
        next(lines, None)
        for number, row in enumerate(filter(None, lines), 1):
            if len(row) != len(self.header):
                raise damaged(self.path, f"row {number} below the header has {len(row)} fields, not {len(self.header)}")
            yield row

    def column(self, names: Sequence[str]) -> int | None:
        """Return the place of the column with the first of these names that is there, or None.

        Raises:
            DataError: it is there twice.
        """
        lower = [name.lower() for name in self.header]
        found = [name for name in names if name in lower]
        if found and lower.count(found[0]) > 1:
            raise DataError(f"{self.path} has the column {found[0]!r} twice; keep one.")
        return lower.index(found[0]) if found else None

    def no_rows(self) -> DataError:
        """Return the error that there is nothing below the header."""
        return DataError(f"{self.path} has no rows below its header; give one for each image.")

    def parts_of(self, cells: Sequence[str] | None) -> npt.NDArray[np.uint8] | None:
        """Return the part that each cell of the column ``split`` means.

        Raises:
            DataError: one means none.
        """
        if cells is None:
            return None
        numbers = [part_of(name) for name in cells]
        if None in numbers:
            place = numbers.index(None)
            raise DataError(
                f"{self.path}: row {place + 1} below the header has the split {cells[place]!r}; give train, "
                "validation or test."
            )
        return np.array(numbers, np.uint8)

    def _lines(self, text: io.TextIOWrapper) -> Iterator[list[str]]:
        """Yield the fields of each line, the header's first."""
        try:
            pieces = self._pieces(text)
            first = next((line for line in pieces if line.strip()), "")
            delimiter = max(",;\t", key=first.count)
            yield from csv.reader(itertools.chain([first], pieces), delimiter=delimiter, strict=True)
        except UnicodeDecodeError as error:
            raise DataError(f"{self.path}: its text is not UTF-8 ({error}); save it as UTF-8.") from error
        except csv.Error as error:
            raise damaged(self.path, f"it is not a table that can be read ({error})") from error

    def _pieces(self, text: io.TextIOWrapper) -> Iterator[str]:
        while line := text.readline(_LONGEST_LINE):
            if len(line) == _LONGEST_LINE:
                raise damaged(self.path, f"it has a line of more than {_LONGEST_LINE:,} characters")
            yield line


def groups_of(cells: Sequence[str] | None) -> npt.NDArray[np.int64] | None:
    """Return a number for each cell of the column ``group``."""
    return None if cells is None else numbered_groups(cells)


def _as_text(file: IO[bytes]) -> io.TextIOWrapper:
    return io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
