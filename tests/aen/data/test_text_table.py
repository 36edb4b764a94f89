"""No line of a csv table is lost: its header is recognised, or the file is refused."""

import numpy as np
import pytest

from aen.data.sets.asl import read_sign_language
from aen.errors import DataError

DRAWS = np.random.default_rng(0)
LABELS = np.arange(20) % 9
PIXELS = DRAWS.integers(0, 256, (20, 784))
HEADER = ["label", *(f"pixel{i}" for i in range(1, 785))]
ROWS = [[str(label), *map(str, row)] for label, row in zip(LABELS, PIXELS, strict=True)]


def table(rows, separator=",", end="\n"):
    return end.join(separator.join(row) for row in rows) + end


def quoted(row):
    return [f'"{field}"' for field in row]


LAST = [[*row[1:], row[0]] for row in [HEADER, *ROWS]]
READ = {
    "a header": table([HEADER, *ROWS]),
    "no header": table(ROWS),
    "a mark of byte order": "\ufeff" + table([HEADER, *ROWS]),
    "a mark of byte order, no header": "\ufeff" + table(ROWS),
    "lines of Windows": table([HEADER, *ROWS], end="\r\n"),
    "lines of Windows, no header": table(ROWS, end="\r\n"),
    "lines of old Macs": table([HEADER, *ROWS], end="\r"),
    "semicolons": table([HEADER, *ROWS], separator=";"),
    "tabs, no header": table(ROWS, separator="\t"),
    "a quoted header": table([quoted(HEADER), *ROWS]),
    "all quoted": table(map(quoted, [HEADER, *ROWS])),
    "all quoted, no header": table(map(quoted, ROWS)),
    "spaces, no header": table(ROWS, separator=", "),
    "capitals": table([[name.upper() for name in HEADER], *ROWS]),
    "numbers in the header": table([["label", *map(str, range(784))], *ROWS]),
    "the label last": table(LAST),
    "empty lines": "\n\n" + table([HEADER, *ROWS]) + "\n\n",
    "an empty line first, no header": "\n" + table(ROWS),
    "a comment": "# made by hand\n" + table([HEADER, *ROWS]),
    "a comment, no header": "# made by hand\n" + table(ROWS),
    "a header in a comment": "# " + table([HEADER, *ROWS]),
    "no line end": table(ROWS).rstrip(),
}
REFUSED = {
    "another header": (table([["y", *HEADER[1:]], *ROWS]), "neither numbers only nor a header with one column 'label'"),
    "two labels": (table([["label", "label", *HEADER[2:]], *ROWS]), "a header with one column 'label'"),
    "a damaged first line": (table([["x", *ROWS[0][1:]], *ROWS]), "its first line, 'x,.* is neither numbers only nor"),
    "numbered columns": (table([list(map(str, range(785))), *ROWS]), "its first line numbers the columns, 0,1,2,"),
    "columns numbered from 1": (table([list(map(str, range(1, 786))), *ROWS]), "its first line numbers the columns"),
    "pixels out of order": (table([[HEADER[0], *HEADER[:0:-1]], *ROWS]), "not in the order of the pixels; sort them"),
    "a second header": (table([HEADER, *ROWS, HEADER]), "not a table of numbers"),
    "a column of row numbers": (table([["", *HEADER], *(["0", *row] for row in ROWS)]), "20 lines of 786 numbers"),
    "a short header": (table([HEADER[:-1], *ROWS]), "its header has 784 columns, and each line 785 numbers"),
    "a short line": (table([HEADER, *ROWS[:3], ROWS[3][:-1]]), "not a table of numbers"),
    "fractions": (table([HEADER, [*ROWS[0][:-1], "0.5"]]), "not a table of numbers"),
    "an empty field": (table([HEADER, [*ROWS[0][:-1], ""]]), "not a table of numbers"),
    "a header only": (table([HEADER]), "it has 0 lines"),
    "nothing": ("", "it has 0 lines"),
}


@pytest.mark.parametrize("content", READ.values(), ids=READ)
def test_every_line_is_read(tmp_path, content):
    path = tmp_path / "table.csv"
    path.write_bytes(content.encode())
    (part,) = read_sign_language([path])
    np.testing.assert_array_equal(part.labels, LABELS)
    np.testing.assert_array_equal(part.images.reshape(20, 784), PIXELS)


@pytest.mark.parametrize(("content", "message"), REFUSED.values(), ids=REFUSED)
def test_what_is_not_known_is_refused(tmp_path, content, message):
    path = tmp_path / "table.csv"
    path.write_bytes(content.encode())
    with pytest.raises(DataError, match=message) as caught:
        read_sign_language([path])
    assert "table.csv: " in str(caught.value)


def test_other_encodings_are_refused(tmp_path):
    path = tmp_path / "table.csv"
    path.write_bytes(table([HEADER, *ROWS]).encode("utf-16"))
    with pytest.raises(DataError, match="not a table of numbers"):
        read_sign_language([path])
