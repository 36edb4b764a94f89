"""Parquet and Arrow tables that cannot be used: other columns, files that disagree, and decompression bombs."""

import json

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet
import pytest
from helpers.own_folders import refused


def test_tables_that_cannot_be_used(tmp_path):
    path = tmp_path / "x.parquet"
    for table, said in (
        ({"picture_bytes": [b"x"], "label": [0]}, "it needs one named image"),
        ({"image": [b"x"], "name": ["a"]}, "it needs one named label"),
        ({"image": ["a.png"], "label": [0]}, "its images are of type string; give the bytes"),
        ({"image": [{"bytes": None, "path": "a.png"}], "label": [0]}, "holds the paths of images, not their content"),
        ({"image": [b"x", b"y"], "label": [0, 1]}, "2 of 2 images cannot be read: x.parquet, row 0"),
        ({"image": [b"x"], "label": [None]}, "no row has a label"),
        (
            {"image": [b"x"] * 2, "label": [[1], [1, 2]]},
            "column 'label' is of type list<.*; give one whole number or text",
        ),
        ({"image": [b"x"], "label": [{"a": 1}]}, "column 'label' is of type struct<"),
        (
            {"image": pa.array([], pa.binary()), "label": pa.array([], pa.int64())},
            "has no rows; give one for each image",
        ),
        ({"image": pa.array([], pa.struct({"bytes": pa.binary()})), "label": pa.array([], pa.int64())}, "has no rows"),
        ({"image": [b"x"], "label": [1], "group": [[1]]}, "column 'group' is of type list<"),
    ):
        pyarrow.parquet.write_table(pa.table(table), path)
        refused(path, said)


@pytest.mark.parametrize("packed", ["parquet", "arrow"])
def test_a_table_that_unpacks_to_much_more_than_it_is(tmp_path, monkeypatch, packed):
    path = tmp_path / f"x.{packed}"
    columns = pa.table({"image": [bytes(2**20)] * 8, "label": [0, 1] * 4})
    if packed == "parquet":
        pyarrow.parquet.write_table(columns, path)
    else:
        options = pa.ipc.IpcWriteOptions(compression="zstd")
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, columns.schema, options=options) as writer:
            writer.write_table(columns)
    monkeypatch.setattr("aen.data.own.table_files._SMALL", 2**22)
    refused(path, "unpacks to more than 100 times its size, as a decompression bomb")


def shards(root, *tables):
    for number, table in enumerate(tables):
        pyarrow.parquet.write_table(table, root / f"train-{number:05}-of-{len(tables):05}.parquet")


def named(*names):
    features = {"info": {"features": {"label": {"names": list(names), "_type": "ClassLabel"}}}}
    return pa.table({"image": [b"x"], "label": [0]}).replace_schema_metadata({"huggingface": json.dumps(features)})


def test_files_of_a_table_whose_labels_mean_different_classes(tmp_path):
    shards(tmp_path, named("cat", "dog"), named("dog", "cat"))
    refused(
        tmp_path, "train-00001-of-00002.parquet has the class names dog, cat, and train-00000.* has cat, dog; write"
    )
    shards(tmp_path, pa.table({"image": [b"x"], "label": [1]}), pa.table({"image": [b"x"], "label": ["one"]}))
    refused(tmp_path, "the column 'label' has text in .*train-00001-of-00002.parquet, and numbers in train-00000")


def test_a_table_with_a_column_twice(tmp_path):
    path = tmp_path / "x.arrow"
    columns = pa.table([[b"x"], [1], [2]], names=["image", "label", "label"])
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, columns.schema) as writer:
        writer.write_table(columns)
    refused(path, "has the column 'label' twice; keep one")


@pytest.mark.parametrize("packed", ["file", "stream", "parquet"])
def test_tables_that_unpack_to_more_than_the_memory(tmp_path, monkeypatch, packed):
    path = tmp_path / ("x.parquet" if packed == "parquet" else "x.arrow")
    columns = pa.table({"image": [bytes(2**20)] * 8, "label": [0, 1] * 4, "text": ["x"] * 8})
    if packed == "parquet":
        pyarrow.parquet.write_table(columns, path)
    else:
        options = pa.ipc.IpcWriteOptions(compression="zstd")
        new = pa.ipc.new_file if packed == "file" else pa.ipc.new_stream
        with pa.OSFile(str(path), "wb") as file, new(file, columns.schema, options=options) as writer:
            writer.write_table(columns, max_chunksize=2)
    assert path.stat().st_size < 2**18
    refused(path, "8 of 8 images cannot be read")
    monkeypatch.setattr("aen.data.own.table_files.machine_memory", lambda: 2**23)
    refused(path, "unpacks to more than half of the memory .0.0 GiB., with the other files of the table")
