"""Own data that cannot be used is refused in one line that names what is wrong and what to do."""

import gzip
import os
import shutil
import stat
import struct

import numpy as np
import pytest
from helpers.own_folders import pictures, refused, write_class_folders
from PIL import Image

from aen.data import DataSpec, data_spec, find_source, from_arrays
from aen.data.own import decode
from aen.data.own.prepare import prepare
from aen.data.own.rules import Rules
from aen.errors import DataError


def files_below(cache):
    return [path for path in cache.rglob("*") if path.is_file()]


def test_unreadable_images_are_named_and_counted(folder, own_cache):
    (folder / "circle/000.png").write_bytes((folder / "circle/000.png").read_bytes()[:60])
    (folder / "cross/011.png").write_bytes(b"")
    (folder / "cross/012.png").write_text("no image")
    said = r"3 of 30 images cannot be read: circle/000.png \(.*\), cross/011.png \(it is empty\), .*--skip-broken"
    refused(folder, said)
    assert not files_below(own_cache)
    source = find_source(str(folder), Rules(skip_broken=True))
    assert source.images == (27,)
    assert any("3 images that cannot be read are left out: circle/000.png" in notice for notice in source.notices)


def test_a_file_of_another_format_is_no_image(folder):
    (folder / "cross/012.png").write_text("no image")
    refused(folder, r"cross/012.png \(it is no image of a known format\)")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_refused_and_not_read(folder):
    os.mkfifo(folder / "cross/pipe.png")
    refused(folder, r"cross/pipe.png is neither a file nor a folder, but a pipe, socket or device; remove it")


def test_control_characters_in_class_names_are_escaped(folder):
    write_class_folders(folder, pictures(5, seed=7), ["two\n\x1b[31mlines"] * 5)
    source = find_source(str(folder))
    assert "two\\n\\x1b[31mlines" in source.class_names


def test_the_same_file_in_two_classes(folder):
    shutil.copy(folder / "circle/000.png", folder / "star/copy.png")
    refused(folder, r"circle/000.png and star/copy.png are the same file in two classes .*--skip-broken")
    source = find_source(str(folder), Rules(skip_broken=True))
    assert source.images == (29,)
    assert "2 files that lie in two classes are left out" in source.notices


def test_one_class_only(folder):
    for name in ("cross", "star"):
        shutil.rmtree(folder / name)
    refused(folder, r"all 10 images are of one class \('circle'\); there is nothing to tell apart")


def test_a_class_of_one_example(folder):
    write_class_folders(folder, pictures(1, seed=7), ["rare"])
    refused(folder, r"class 'rare' has 1 image; each needs at least 3, so that there is one in each part")


@pytest.mark.parametrize("labels", [np.linspace(0, 1, 30), np.arange(30) % 3 * 1.0])
def test_labels_that_are_floating_point_numbers(labels):
    with pytest.raises(DataError, match=r"labels are floating-point numbers .* quantities to predict, not classes"):
        from_arrays(pictures(30), labels)


def test_labels_with_gaps_are_mapped():
    name = from_arrays(pictures(30), np.arange(30) % 3 * 5 + 2)
    source = find_source(name, Rules())
    assert source.class_names == ("2", "7", "12")
    assert any("labels 2, 7, 12 are not 0 to 2; they are mapped" in notice for notice in source.notices)


def test_a_decompression_bomb(folder, monkeypatch):
    monkeypatch.setattr(decode, "BOMB_PIXELS", 100)
    refused(folder, r"30 of 30 images cannot be read: .*12x12 pixels are more than 100, as in a decompression bomb")


def test_a_huge_image_is_refused_before_it_is_decoded(folder):
    Image.new("1", (20_000, 20_000)).save(folder / "star/huge.png")
    refused(folder, r"1 of 31 images .*star/huge.png \(it has too many pixels, as in a decompression bomb")


def test_links_out_of_the_folder(folder, tmp_path):
    Image.new("L", (12, 12)).save(tmp_path / "outside.png")
    (folder / "star/link.png").symlink_to(tmp_path / "outside.png")
    refused(folder, r"star/link.png is a link that leads out of .*shapes, to .*outside.png")
    (folder / "star/link.png").unlink()
    (folder / "star/link.png").symlink_to(folder / "nowhere.png")
    refused(folder, r"star/link.png is a link that cannot be followed")
    (folder / "star/link.png").unlink()
    (folder / "star/again").symlink_to(folder)
    refused(folder, r"star/again is a link to a folder that contains it")


def write_table(root, rows):
    (root / "table.csv").write_text("path,label\n" + "".join(f"{path},{label}\n" for path, label in rows))
    return root / "table.csv"


def test_a_table_reads_nothing_through_links_out_of_its_folder(folder, tmp_path):
    inside = tmp_path / "inside"
    (inside / "deep").mkdir(parents=True)
    (inside / "link").symlink_to("../shapes")
    (inside / "deep/link").symlink_to(folder / "star")
    (inside / "gone").symlink_to("../nowhere")
    said = r"{} is a link that leads out of .*inside, to .*{}; copy what it leads to, or remove it"
    for path, link, target in (
        ("link/star/020.png", "inside/link", "shapes"),
        ("deep/link/020.png", "deep/link", "shapes/star"),
        ("deep/../link/star/020.png", "inside/link", "shapes"),
        (f"{inside}/link/star/020.png", "inside/link", "shapes"),
    ):
        refused(write_table(inside, [("x.png", "a"), (path, "b")]), said.format(link, target))
    refused(write_table(inside, [("gone/x.png", "a")]), r"inside/gone is a link that cannot be followed")
    (inside / "circle").symlink_to("circle")
    refused(write_table(inside, [("circle/x.png", "a")]), r"names 1 files that do not exist below .*: circle/x.png")


def test_a_table_follows_links_inside_its_folder(folder):
    (folder / "all").symlink_to("star")
    (folder / "again").symlink_to(folder)
    rows = [(f"circle/{i:03d}.png", "a") for i in range(10)] + [(f"all/{i:03d}.png", "b") for i in range(20, 25)]
    rows += [(f"again/star/{i:03d}.png", "b") for i in range(25, 30)]
    assert find_source(str(write_table(folder, rows)), Rules()).images == (20,)


def test_a_link_inside_the_folder_is_followed(folder):
    (folder / "star/000.png").symlink_to(folder / "star/020.png")
    assert find_source(str(folder), Rules()).images == (31,)


def test_what_systems_leave_behind_is_ignored(folder):
    (folder / "__MACOSX/circle").mkdir(parents=True)
    for name in ("Thumbs.db", ".DS_Store", "circle/._000.png", "circle/Thumbs.db", "__MACOSX/circle/a.png"):
        (folder / name).write_bytes(b"not an image")
    source = find_source(str(folder), Rules())
    assert (source.images, source.classes, source.notices) == ((30,), 3, ())


def test_other_files_are_ignored_and_named(folder):
    (folder / "circle/notes.txt").write_text("")
    (folder / "README.md").write_text("")
    shutil.copy(folder / "circle/000.png", folder / "cover.PNG")
    (folder / "empty").mkdir()
    assert find_source(str(folder), Rules()).notices == (
        "folders without images are ignored: empty",
        "images outside of class folders are ignored: cover.PNG",
        "files that are no images are ignored: README.md, circle/notes.txt",
    )


def test_an_empty_folder_and_one_without_class_folders(tmp_path, folder):
    (tmp_path / "empty").mkdir()
    refused(
        tmp_path / "empty", r"empty has no images; it is empty. Give a folder with a folder of images for each class"
    )
    refused(folder / "circle", r"circle has 10 images \(.*\) but no class folders; put the images of each class into")


def test_a_path_that_does_not_exist(folder):
    refused(folder.with_name("shape"), r"shape' does not exist: .* has no 'shape' \(did you mean 'shapes'\?\)")
    refused(folder / "circel" / "x", r"has no 'circel' \(did you mean 'circle'\?\)")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.npz", b"PK", "it is not an npz file"),
        ("a.npz", b"", "it is not an npz file"),
        ("a.csv", b"", "name the columns"),
        ("a.csv", b"path,label\n", "has no rows below its header"),
        ("a.csv", b"path,label\nx.png\n", "row 1 below the header has 1 fields, not 2"),
        ("a.csv", b"path,label\nx.png,a\ny.png,b\n", "names 2 files that do not exist below .*: x.png, y.png; correct"),
        ("a.csv", b"path,label\n../x.png,a\n", r"names '../x.png', which leads out of"),
        ("a.csv", b"path,label\n/etc/passwd,a\n", r"names '/etc/passwd', which leads out of"),
        ("a.csv", b"name,kind\nx,a\n", "name the columns, such as path,label"),
        ("a.csv", b"label,p1,p2\na,1,x\n", "row 1 below the header has 'x' as pixel 2, which is no number"),
        ("a.csv", b"\xff\xfe\x00label", "its text is not UTF-8 .*; save it as UTF-8"),
        ("a.parquet", b"PAR1nothing", "it is not a table that can be read|it cannot be read"),
        ("a.arrow", b"ARROW1\0\0", "it is not a table that can be read|it cannot be read"),
        ("a-images-idx3-ubyte", b"\0\0\x08\x03", "needs the file of its labels beside it, a-labels-idx1-ubyte"),
        ("a.pkl", b"x", "it may hold a pickle, which aen never opens"),
        ("a.npy", b"x", "save images and labels together"),
        ("a.zip", b"x", "unpack it first"),
        ("a.png", b"x", "is one image; give a folder"),
        ("a.bin", b"", "a.bin is empty"),
    ],
)
def test_files_that_cannot_be_used(tmp_path, own_cache, name, content, said):
    (tmp_path / name).write_bytes(content)
    refused(tmp_path / name, said)
    assert not files_below(own_cache)


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"images": np.array([object()] * 3), "labels": np.arange(3)}, "holds pickled objects, which aen never opens"),
        ({"images": pictures(3)}, "holds images; it needs the arrays images and labels"),
        ({"images": pictures(3), "labels": np.arange(2)}, "has 3 images, but labels has 2 labels"),
        ({"images": pictures(3), "labels": np.eye(3, dtype=int)}, r"give one label for each .*argmax"),
        ({"images": pictures(3).astype(int), "labels": np.arange(3)}, r"is of int64; give uint8.*astype\('uint8'\)"),
        ({"images": pictures(3) * np.int32(200), "labels": np.arange(3)}, r"is of int32; .*astype\('uint16'\)"),
        ({"images": pictures(3) - np.int64(9), "labels": np.arange(3)}, r"is of int64; .*astype\('float32'\)"),
        (
            {"images": np.zeros((3, 2, 2, 2, 2)), "labels": np.arange(3)},
            "has the shape .3, 2, 2, 2, 2.; give images as",
        ),
        ({"images": np.zeros((0, 8, 8)), "labels": np.arange(0)}, "has the shape"),
        (
            {"images": np.full((3, 8, 8), 1e300), "labels": np.arange(3)},
            "numbers up to 1e.300 .*outside of",
        ),
        (
            {"images": np.full((3, 8, 8), -1e-300), "labels": np.arange(3)},
            "numbers up to 1e-300 .*outside of",
        ),
        ({"images": np.full((3, 8, 8), np.nan), "labels": np.arange(3)}, "image 0 has a pixel that is NaN"),
        (
            {
                "train_images": pictures(6),
                "train_labels": np.arange(6) % 2,
                "test_images": pictures(6, seed=1) / 255,
                "test_labels": np.arange(6) % 2,
            },
            "they differ in type. Give all parts one type and one scale",
        ),
    ],
)
def test_arrays_that_cannot_be_used(tmp_path, arrays, said):
    np.savez(tmp_path / "x.npz", **arrays)
    refused(tmp_path / "x.npz", said)


def test_an_npz_file_that_unpacks_to_much_more_than_it_is(tmp_path, monkeypatch):
    np.savez_compressed(tmp_path / "x.npz", images=np.zeros((2000, 32, 32), np.uint8), labels=np.arange(2000) % 2)
    monkeypatch.setattr("aen.data.npz._SMALL", 2**20)
    refused(tmp_path / "x.npz", "its array images unpacks to over 500 times its size, as a decompression bomb")


def test_groups_across_the_parts_of_the_data(tmp_path):
    parts = np.array(["train", "test"] * 30)
    arrays = {"images": pictures(60), "labels": np.arange(60) // 2 % 2, "parts": parts, "groups": np.arange(60) // 2}
    np.savez(tmp_path / "x.npz", **arrays)
    with pytest.raises(
        DataError, match=r"no image is left for data.train: .*own parts \(train, test\).*Give each group"
    ):
        data_spec(str(tmp_path / "x.npz"))


@pytest.mark.parametrize(
    ("kind", "dimensions", "said"),
    [
        (13, 3, "holds floating-point numbers of 32 bits in 3 dimensions"),
        (8, 2, "holds unsigned bytes in 2 dimensions"),
    ],
)
def test_idx_files_of_another_kind(tmp_path, kind, dimensions, said):
    (tmp_path / "a-images-idx3-ubyte").write_bytes(bytes([0, 0, kind, dimensions]) + bytes(40))
    (tmp_path / "a-labels-idx1-ubyte").write_bytes(struct.pack(">II", 0x801, 0))
    refused(tmp_path, f"{said}, and unsigned bytes in 3 are read; convert it")


def test_an_idx_file_that_is_there_twice_has_to_be_the_same(tmp_path):
    content = struct.pack(">IIII", 0x803, 12, 12, 12) + pictures(12).tobytes()
    packed = tmp_path / "a-images-idx3-ubyte.gz"
    (tmp_path / "a-images-idx3-ubyte").write_bytes(content)
    (tmp_path / "a-labels-idx1-ubyte").write_bytes(struct.pack(">II", 0x801, 12) + bytes([0, 1] * 6))
    packed.write_bytes(gzip.compress(content[:-1] + bytes([content[-1] ^ 1])))
    for name in (tmp_path, packed):
        refused(name, "has both a-images-idx3-ubyte.* and a-images-idx3-ubyte.*, and they differ; keep one")
    packed.write_bytes(gzip.compress(content))
    for name in (tmp_path, packed):
        assert find_source(str(name)).images == (12,)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission(folder):
    (folder / "star/020.png").chmod(0)
    refused(folder, r"star/020.png .*may not be read by this user")
    (folder / "star/020.png").chmod(stat.S_IRUSR)


def test_wrong_rules():
    for field, said in (
        ({"size": 0}, "data.size is 0.* must be the side of the images"),
        ({"size": "big"}, "data.size is 'big'"),
        ({"channels": "color"}, r"unknown data.channels 'color' \(did you mean 'colour'\?\)"),
        ({"skip_broken": 1}, "data.skip_broken is 1.* must be true or false"),
        ({"split": "random"}, "needs data.split='grouped', but it is 'random'"),
    ):
        with pytest.raises(DataError, match=said):
            DataSpec("./some/folder", **field)
    with pytest.raises(DataError, match=r"data.size is 8, which is for own data, but data.name is 'digits'"):
        DataSpec("digits", size=8)


def test_a_pinned_folder_that_has_changed(folder):
    name = data_spec(str(folder)).name
    assert prepare(name, Rules()).pin == name[-16:]
    Image.new("L", (12, 12)).save(folder / "star/more.png")
    refused(name, r"shapes has changed: the checksum of its content does not begin with")
