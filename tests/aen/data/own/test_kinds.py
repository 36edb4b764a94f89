"""Every kind of own data gives the same images, labels and class names."""

import gzip
import io
import json
import struct

import numpy as np
import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet
import pytest
import torch
from helpers.own_folders import pictures, write_class_folders
from PIL import Image

from aen.data import DataSpec, data_spec, find_source, from_arrays, load_dataset, load_test_split
from aen.data.own.prepare import prepare
from aen.data.own.rules import Rules
from aen.errors import DataError

NAMES = ("ape", "bee", "cat")
IMAGES = pictures(30)
LABELS = np.arange(30) % 3


def png(image):
    content = io.BytesIO()
    Image.fromarray(image).save(content, "PNG")
    return content.getvalue()


def write_folder(root):
    write_class_folders(root / "set", IMAGES, [NAMES[label] for label in LABELS])
    return root / "set"


def write_csv(root):
    write_class_folders(root / "mixed", IMAGES, ["all"] * 30)
    rows = "".join(f"mixed/all/{i:03d}.png,{NAMES[label]}\n" for i, label in enumerate(LABELS))
    (root / "table.csv").write_text("path,label\n" + rows)
    return root / "table.csv"


def write_pixels(root):
    header = ",".join(["label", *(f"p{i}" for i in range(144))])
    rows = "".join(
        f"{NAMES[label]},{','.join(map(str, image.ravel()))}\n" for image, label in zip(IMAGES, LABELS, strict=True)
    )
    (root / "pixels.csv").write_text(f"{header}\n{rows}")
    return root / "pixels.csv"


def write_npz(root):
    np.savez(root / "set.npz", images=IMAGES, labels=np.array(NAMES)[LABELS])
    return root / "set.npz"


def write_named_npz(root):
    np.savez(root / "named.npz", images=IMAGES[..., None], labels=LABELS, class_names=np.array(NAMES))
    return root / "named.npz"


def write_idx(root):
    (root / "toy-images-idx3-ubyte").write_bytes(struct.pack(">IIII", 0x803, 30, 12, 12) + IMAGES.tobytes())
    labels = struct.pack(">II", 0x801, 30) + LABELS.astype(np.uint8).tobytes()
    (root / "toy-labels-idx1-ubyte.gz").write_bytes(gzip.compress(labels))
    return root / "toy-images-idx3-ubyte"


def hub_table():
    images = pa.array([{"bytes": png(image), "path": None} for image in IMAGES])
    feature = {"info": {"features": {"label": {"names": list(NAMES), "_type": "ClassLabel"}}}}
    table = pa.table({"image": images, "label": pa.array(LABELS)})
    return table.replace_schema_metadata({"huggingface": json.dumps(feature)})


def write_parquet(root):
    pyarrow.parquet.write_table(hub_table(), root / "set.parquet", row_group_size=7)
    return root / "set.parquet"


def write_plain_parquet(root):
    table = pa.table({"image": [png(image) for image in IMAGES], "label": [NAMES[label] for label in LABELS]})
    pyarrow.parquet.write_table(table, root / "plain.parquet")
    return root / "plain.parquet"


def write_arrow_file(root):
    with pa.OSFile(str(root / "set.arrow"), "wb") as file, pa.ipc.new_file(file, hub_table().schema) as writer:
        writer.write_table(hub_table(), max_chunksize=11)
    return root / "set.arrow"


def write_arrow_stream(root):
    with pa.OSFile(str(root / "stream.arrow"), "wb") as file, pa.ipc.new_stream(file, hub_table().schema) as writer:
        writer.write_table(hub_table(), max_chunksize=11)
    return root / "stream.arrow"


KINDS = [
    write_folder,
    write_csv,
    write_pixels,
    write_npz,
    write_named_npz,
    write_idx,
    write_parquet,
    write_plain_parquet,
    write_arrow_file,
    write_arrow_stream,
]


@pytest.mark.parametrize("write", KINDS, ids=lambda write: write.__name__.removeprefix("write_"))
def test_every_kind_gives_the_same_images(tmp_path, write):
    name = str(write(tmp_path))
    prepared = prepare(name, Rules())
    names = ("0", "1", "2") if write is write_idx else NAMES
    assert prepared.class_names == names
    found = {image.tobytes(): int(label) for image, label in zip(prepared.images, prepared.labels, strict=True)}
    assert found == {image.tobytes(): int(label) for image, label in zip(IMAGES, LABELS, strict=True)}

    spec = data_spec(name)
    assert (spec.train, spec.validation, spec.test) == (18, 6, 6)
    data = load_dataset(spec)
    assert (data.class_names, data.classes, data.side) == (names, 3, 12)
    for split, each in ((data.train, 6), (data.validation, 2), (load_test_split(spec), 2)):
        assert torch.bincount(split.labels).tolist() == [each] * 3


def test_arrays_in_memory_are_a_data_set_of_one_name():
    name = from_arrays(IMAGES, LABELS, names=NAMES)
    assert name == from_arrays(torch.tensor(IMAGES), LABELS.tolist(), names=list(NAMES))
    assert name != from_arrays(IMAGES, LABELS)
    assert load_dataset(data_spec(name)).class_names == NAMES
    assert DataSpec.from_json(data_spec(name).to_json()) == data_spec(name)


def test_colour_and_rectangles(tmp_path):
    images = pictures(12, size=(8, 12), channels=3)
    write_class_folders(tmp_path / "set", images, np.arange(12) % 2)
    source = find_source(str(tmp_path / "set"))
    assert (source.side, source.channels, source.images) == ((8, 12), 3, (12,))
    grey = find_source(str(tmp_path / "set"), Rules(channels="grey", size=8))
    assert (grey.side, grey.channels) == (8, 1)


@pytest.mark.parametrize(("shape", "found"), [((20, 32), (1, 1, 32)), ((20, 3, 32), (1, 3, 32))])
def test_signals(shape, found):
    signals = np.random.default_rng(0).normal(size=shape)
    name = from_arrays(signals, np.arange(20) % 2)
    data = load_dataset(data_spec(name))
    assert data.train.images.shape[1:] == found
    lifted = load_dataset(data_spec(name, lift_sign=True)).train.images
    assert lifted.shape[1:] == (1, 2 * found[1], 32)
    # Negating swaps the halves of the rows.
    np.testing.assert_allclose(lifted[:, :, : found[1]], -lifted[:, :, found[1] :], atol=1e-5)


def test_images_of_16_bits_are_no_signals():
    wide = np.random.default_rng(0).integers(2**16, size=(20, 5, 32)).astype(np.uint16)
    spec = data_spec(from_arrays(wide, np.arange(20) % 2), size=(5, 16))  # signals have no size
    assert load_dataset(spec).train.images.shape[1:] == (1, 5, 16)


def test_shards_of_the_hub_with_their_parts(tmp_path):
    folder = tmp_path / "hub" / "data"
    folder.mkdir(parents=True)
    table = hub_table()
    for name, start, stop in (
        ("train-00000-of-00002", 0, 9),
        ("train-00001-of-00002", 9, 18),
        ("test-00000-of-00001", 18, 30),
    ):
        pyarrow.parquet.write_table(table.slice(start, stop - start), folder / f"{name}.parquet")
    source = find_source(str(tmp_path / "hub"))
    assert source.images == (18, 12)
    spec = data_spec(str(tmp_path / "hub"))
    assert (spec.train + spec.validation, spec.test) == (18, 12)
    assert not any("are not there" in notice for notice in source.notices)
    (folder / "train-00001-of-00002.parquet").unlink()
    notices = find_source(str(tmp_path / "hub")).notices
    assert "1 of 2 files data/train-...-of-00002 are not there" in notices


def test_other_names_of_columns_are_said(tmp_path):
    table = hub_table().rename_columns(["img", "fine_label"])
    pyarrow.parquet.write_table(table, tmp_path / "set.parquet")
    source = find_source(str(tmp_path / "set.parquet"))
    assert "images are read from the column 'img', labels from 'fine_label'" in source.notices


def test_rows_without_a_label_are_left_out(tmp_path):
    labels = [-1 if i < 3 else int(label) for i, label in enumerate(LABELS)]
    table = hub_table().set_column(1, "label", pa.array(labels))
    pyarrow.parquet.write_table(table, tmp_path / "set.parquet")
    source = find_source(str(tmp_path / "set.parquet"))
    assert source.images == (27,)
    assert "3 rows without a label are left out" in source.notices


def test_parts_above_the_class_folders(tmp_path):
    root = tmp_path / "set"
    for part, start, stop in (("train", 0, 18), ("Val", 18, 24), ("test", 24, 30)):
        write_class_folders(root / part, IMAGES[start:stop], LABELS[start:stop])
    spec = data_spec(str(root))
    assert (spec.train, spec.validation, spec.test) == (18, 6, 6)
    (root / "test").rename(root / "other")
    with pytest.raises(DataError, match=r"folder 'train' of training images, and beside it other, which is none"):
        prepare(str(root), Rules())


def test_without_a_test_part_the_validation_part_is_it(tmp_path):
    root = tmp_path / "set"
    for part, start, stop in (("train", 0, 24), ("val", 24, 30)):
        write_class_folders(root / part, IMAGES[start:stop], LABELS[start:stop])
    spec = data_spec(str(root))
    assert (spec.train, spec.validation, spec.test) == (18, 6, 6)
    assert any("the validation part is the test part" in notice for notice in find_source(str(root)).notices)


UNDIVIDED = "there is no training part; all images are divided by aen"


@pytest.mark.parametrize("parts", [("validation", "test"), ("Val", "TEST"), ("val",), ("test",)], ids="-".join)
def test_folders_without_a_training_part_are_divided_by_aen(tmp_path, parts):
    root = tmp_path / "set"
    for number, part in enumerate(parts):
        write_class_folders(root / part, IMAGES[number :: len(parts)], np.array(NAMES)[LABELS[number :: len(parts)]])
    (root / "README.md").write_text("")
    prepared = prepare(str(root), Rules())
    assert (prepared.class_names, prepared.divided, len(prepared.labels)) == (NAMES, (), 30)
    assert UNDIVIDED in prepared.notices
    assert set(prepared.parts.tolist()) == {0}


def test_folders_that_are_called_like_parts_may_be_classes(tmp_path):
    for number, (first, second, below) in enumerate(
        [
            ("test", "other", ""),
            ("test", "other", "2024/"),
            ("test", "train", ""),
            ("test", "val", ""),
            ("test", "train", None),
        ]
    ):
        root = tmp_path / str(number)
        for place, image in enumerate(IMAGES):
            name = (first, second)[place % 2]
            inner = f"{name}/" if below is None and name == "test" else below or ""
            path = root / name / f"{inner}{place}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(png(image))
        prepared = prepare(str(root), Rules())
        assert prepared.class_names == tuple(sorted((first, second)))
        assert UNDIVIDED not in prepared.notices


def test_folders_called_like_parts_that_share_no_class_folder_are_classes(tmp_path):
    write_class_folders(tmp_path / "set/val", IMAGES[:15], LABELS[:15])
    write_class_folders(tmp_path / "set/test", IMAGES[15:], LABELS[15:] + 10)
    assert prepare(str(tmp_path / "set"), Rules()).class_names == ("test", "val")


@pytest.mark.parametrize("parts", [("validation", "test"), ("test",)], ids="-".join)
@pytest.mark.parametrize("kind", ["parquet", "arrow", "idx", "npz", "csv"])
def test_other_kinds_without_a_training_part_are_divided_by_aen(tmp_path, kind, parts):
    root = tmp_path / "set"
    root.mkdir()
    places = np.array_split(np.arange(30), len(parts))
    for part, some in zip(parts, places, strict=True):
        table = hub_table().slice(some[0], len(some))
        if kind == "parquet":
            pyarrow.parquet.write_table(table, root / f"{part}-00000-of-00001.parquet")
        elif kind == "arrow":
            with (
                pa.OSFile(str(root / f"{part}.arrow"), "wb") as file,
                pa.ipc.new_file(file, table.schema) as writer,
            ):
                writer.write_table(table)
        elif kind == "idx":
            name = "t10k" if part == "test" else part
            head = struct.pack(">IIII", 0x803, len(some), 12, 12)
            (root / f"{name}-images-idx3-ubyte").write_bytes(head + IMAGES[some].tobytes())
            labels = struct.pack(">II", 0x801, len(some)) + LABELS[some].astype(np.uint8).tobytes()
            (root / f"{name}-labels-idx1-ubyte").write_bytes(labels)
    if kind == "npz":
        named = np.repeat(parts, [len(some) for some in places])
        np.savez(root / "x.npz", images=IMAGES, labels=LABELS, parts=named)
    elif kind == "csv":
        paths = write_class_folders(root / "images", IMAGES, ["all"] * 30)
        lines = [
            f"{paths[i].relative_to(root)},{LABELS[i]},{part}\n"
            for part, some in zip(parts, places, strict=True)
            for i in some
        ]
        (root / "labels.csv").write_text("path,label,split\n" + "".join(lines))
    prepared = prepare(str(root), Rules())
    assert (len(prepared.class_names), prepared.divided, len(prepared.labels)) == (3, (), 30)
    assert UNDIVIDED in prepared.notices


def test_columns_group_and_split_of_a_table(tmp_path):
    write_class_folders(tmp_path, IMAGES, ["all"] * 30)
    lines = [f"all/{i:03d}.png,{LABELS[i]},p{i // 6},{'test' if i >= 24 else 'train'}\n" for i in range(30)]
    (tmp_path / "table.csv").write_text("file_name,label,group,split\n" + "".join(lines))
    prepared = prepare(str(tmp_path / "table.csv"), Rules())
    assert prepared.divided == ("train", "test")
    assert prepared.parts.tolist() == [0] * 24 + [2] * 6
    assert len(np.unique(prepared.groups)) == 5
