"""Tables of pixels: their rows are read once, when the data is not in the cache, and packed ones as others."""

import gzip
from functools import partial

import numpy as np
import pytest

from aen.data.own import csv_rows
from aen.data.own.prepare import prepare
from aen.data.own.rules import Rules
from aen.data.own.scan import scan
from aen.errors import DataError

packed_alike = partial(gzip.compress, mtime=0)  # part of the names of tests, which all processes must agree on
VALUES = np.random.default_rng(0).integers(0, 256, (12, 16))


def table(values, *, ending="\n"):
    """A table of pixels with the classes a and b and a group of two images each."""
    header = ",".join(["label", *(f"p{i}" for i in range(values.shape[1])), "group"])
    rows = [",".join([" ab"[1 + i % 2], *map(str, row), str(i // 4 * 2 + i % 2)]) for i, row in enumerate(values)]
    return ending.join([header, *rows, ""]).encode()


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("ending", ["\n", "\r\n", "\n\n"])
def test_rows_become_images(tmp_path, packed, ending):
    path = tmp_path / ("x.csv.gz" if packed else "x.csv")
    content = table(VALUES, ending=ending)
    path.write_bytes(gzip.compress(content) if packed else content)
    found = prepare(str(path), Rules())
    assert found.images.dtype == np.uint8
    np.testing.assert_array_equal(found.images, VALUES.reshape(12, 1, 4, 4))
    assert found.labels.tolist() == [0, 1] * 6
    assert len(np.unique(found.groups)) == 6


@pytest.mark.parametrize("value", [0.5, -1, 256])
def test_one_other_number_makes_all_floating_point(tmp_path, value):
    values = VALUES.astype(object)
    values[7, 3] = value
    (tmp_path / "x.csv").write_bytes(table(values))
    found = prepare(str(tmp_path / "x.csv"), Rules())
    assert found.images.dtype == np.float32
    np.testing.assert_array_equal(found.images.reshape(12, 16), values.astype(np.float32))


@pytest.mark.parametrize("value", ["nan", "inf", "1e39"])
def test_a_number_that_is_infinite_or_none_is_named(tmp_path, value):
    values = VALUES.astype(object)
    values[7, 3] = value
    (tmp_path / "x.csv").write_bytes(table(values))
    with pytest.raises(DataError, match="row 8 below the header has a pixel that is NaN or infinite"):
        prepare(str(tmp_path / "x.csv"), Rules())


@pytest.mark.usefixtures("own_cache")
def test_a_scan_reads_the_header_only_and_what_was_read_is_in_the_cache(tmp_path, monkeypatch):
    path = tmp_path / "x.csv"
    path.write_bytes(table(VALUES))
    before = prepare(str(path), Rules())
    monkeypatch.setattr("aen.data.own.prepare._REMEMBERED", {})
    monkeypatch.setattr(csv_rows.CsvTable, "rows", lambda _: pytest.fail("the rows were read again"))
    np.testing.assert_array_equal(prepare(str(path), Rules()).images, before.images)


def test_a_column_that_is_no_pixel_is_named(tmp_path):
    lines = table(VALUES).decode().splitlines()
    content = "\n".join([f"{lines[0]},id", *(f"{line},{number}" for number, line in enumerate(lines[1:]))])
    (tmp_path / "x.csv").write_text(content)
    with pytest.raises(DataError, match=r"has the columns 'id' beside those of the pixels \('p0' and so on\); remove"):
        scan(tmp_path / "x.csv")


def test_columns_of_any_names_are_pixels_if_they_are_not_alike(tmp_path):
    (tmp_path / "x.csv").write_text("label,height,width,age,weight\na,1,2,3,4\nb,2,3,4,5\n")
    assert scan(tmp_path / "x.csv").load().images.tolist() == [[[[1, 2], [3, 4]]], [[[2, 3], [4, 5]]]]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (packed_alike(table(VALUES))[:20], "the gzip file is corrupted"),
        (packed_alike(table(VALUES))[:-20], "the gzip file is (truncated|corrupted)"),
        (b"\x1f\x8bnone", "the gzip file is corrupted"),
        (packed_alike(table(VALUES)) + b"x", "something else follows the gzip data"),
        (packed_alike(b"0" * (csv_rows._LONGEST_LINE + 1)), "it has a line of more than"),
        (table(VALUES) + b"a,1\n", "row 13 below the header has 2 fields, not 18"),
        (b"label,p\n", "has no rows below its header"),
        (b"label\na\n", "has no column of paths .* and none of pixels"),
    ],
)
def test_damaged_tables(tmp_path, content, said):
    path = tmp_path / "x.csv.gz"
    path.write_bytes(content)
    with pytest.raises(DataError, match=said):
        scan(path).load()
