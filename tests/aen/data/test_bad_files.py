import gzip
import io
import os
import pickle
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from helpers import fake_data
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.io import savemat

from aen.data import find_source
from aen.data.archives import read_members
from aen.data.npz import look_into_npz, read_npz
from aen.data.sets import isic
from aen.data.sets.asl import read_sign_language
from aen.data.sets.cifar10 import read_cifar10, read_cifar10_archive
from aen.data.sets.galaxy10 import read_galaxy10
from aen.data.sets.idx import read_idx
from aen.data.sets.rotmnist import read_amat
from aen.data.sets.svhn import read_svhn
from aen.errors import DataError

RAW = "MNIST/raw/"
IMAGES, LABELS = RAW + "train-images-idx3-ubyte", RAW + "train-labels-idx1-ubyte"


def replaced(folder, name, content):
    """Write a file in place of another, without the packed one."""
    (folder / f"{name}.gz").unlink(missing_ok=True)
    return fake_data.write(folder / name, content)


GOOD = fake_data.idx(fake_data.make().train[:, 0])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (IMAGES, GOOD[:-1], "IDX file has 47,039 bytes after its header, which announces 47,040"),
        (IMAGES, GOOD + b"x", "IDX file has 47,041 bytes after its header"),
        (IMAGES, GOOD[:9], "truncated in its header"),
        (IMAGES, b"", "begins with 0x, not 0x00000803"),
        (IMAGES, b"\0\0\x0d\x03" + GOOD[4:], "begins with 0x00000d03, not 0x00000803"),
        (LABELS, GOOD, "begins with 0x00000803, not 0x00000801"),
        (IMAGES, gzip.compress(GOOD)[:-20], "the gzip file is truncated"),
        (IMAGES, gzip.compress(GOOD)[:50] + b"xxxx" + gzip.compress(GOOD)[54:], "the gzip file is corrupted"),
        (IMAGES, gzip.compress(GOOD) + b"tail", "something else follows the gzip data"),
        (LABELS, fake_data.idx(np.zeros(59)), "has 60 images, but .*train-labels.* has 59 labels"),
        (LABELS, fake_data.idx(np.full(60, 10)), "has the label 10, outside the 10 classes 0 to 9"),
        (IMAGES, fake_data.idx(np.zeros((60, 32, 32))), "has images of 1x32x32 .* where 1x28x28 is expected"),
        (IMAGES, fake_data.idx(np.zeros((0, 28, 28))), "has 0 images, but"),
        (IMAGES, struct.pack(">4B3I", 0, 0, 8, 3, 2**31, 2**31, 2**31), "which announces 9,903,520,314,283,042"),
    ],
)
def test_bad_idx_is_refused_by_name(data_folder, name, content, message):
    fake_data.write_mnist(data_folder)
    path = replaced(data_folder, name, content)
    with pytest.raises(DataError, match=message) as caught:
        find_source("mnist").load()
    assert path.name in str(caught.value)


def test_no_images_at_all_are_refused(data_folder):
    fake_data.write_mnist(data_folder)
    replaced(data_folder, IMAGES, fake_data.idx(np.zeros((0, 28, 28))))
    replaced(data_folder, LABELS, fake_data.idx(np.zeros(0)))
    with pytest.raises(DataError, match="train-images-idx3-ubyte has no images"):
        find_source("mnist").load()


def test_letters_begin_at_one(data_folder):
    fake_data.write_emnist(data_folder, "letters", 26)  # written from 0 on
    with pytest.raises(DataError, match="has the label -1, outside the 26 classes"):
        find_source("emnist-letters").load()


def test_gzip_is_not_unpacked_beyond_a_limit(data_folder, monkeypatch):
    monkeypatch.setattr("aen.data.files.MAX_BYTES", 1000)
    fake_data.write_mnist(data_folder)
    with pytest.raises(DataError, match="unpacks to more than 4 GiB"):
        find_source("mnist").load()


def test_cifar10_records_must_be_whole(data_folder):
    fake_data.write_cifar10(data_folder)
    path = data_folder / "cifar-10-batches-bin/data_batch_3.bin"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    with pytest.raises(DataError, match=r"data_batch_3.bin: it has 36,875 bytes, not a multiple of 3,073"):
        find_source("cifar10").load()
    path.write_bytes(bytes([10]) + whole[1:])
    with pytest.raises(DataError, match=r"data_batch_3.bin: it has the label 10, outside the 10 classes"):
        find_source("cifar10").load()


def mat(**values):
    buffer = io.BytesIO()
    savemat(buffer, values)
    return buffer.getvalue()


X = np.zeros((32, 32, 3, 4), np.uint8)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"not Matlab at all", "not a Matlab file that can be read"),
        (mat(X=X, y=np.ones((4, 1)))[:300], "not a Matlab file that can be read"),
        (mat(X=X), "no numbers named 'y'"),
        (
            mat(X=np.array([{"a": 1}], dtype=object), y=np.ones((1, 1), np.uint8)),
            "array 'X' does not hold real numbers",
        ),
        (mat(X=X[..., 0], y=np.ones((4, 1), np.uint8)), r"X has the shape \[32, 32, 3\]"),
        (mat(X=X.astype(np.uint16), y=np.ones((4, 1), np.uint8)), "of uint16, not"),
        (mat(X=X, y=np.full((4, 1), 11, np.uint8)), "y has a label outside 1 to 10"),
        (mat(X=X, y=np.ones((3, 1), np.uint8)), "has 4 images, but .* has 3 labels"),
    ],
)
def test_bad_mat_is_refused_by_name(data_folder, content, message):
    fake_data.write_svhn(data_folder)
    (data_folder / "test_32x32.mat").write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        find_source("svhn").load()
    assert "test_32x32.mat" in str(caught.value)


def changed_line(path, change):
    lines = path.read_text().splitlines()
    lines[1] = ",".join(change(lines[1].split(","))) if "," in lines[1] else " ".join(change(lines[1].split()))
    path.write_text("\n".join(lines))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda row: row[:-1], "not a table of numbers"),
        (lambda row: [*row[:-1], "x"], "not a table of numbers"),
        (lambda row: [*row[:-1], "256"], "pixel outside 0 to 255"),
        (lambda row: [*row[:-1], "-1"], "pixel outside 0 to 255"),
        (lambda row: [*row[:-1], "nan"], "not a table of numbers"),
        (lambda row: ["9", *row[1:]], "the label 9 .*which has no images"),
        (lambda row: ["25", *row[1:]], "has the label 24, outside the 24 classes 0 to 23"),
    ],
)
def test_bad_csv_is_refused_by_name(data_folder, change, message):
    fake_data.write_asl(data_folder)
    path = data_folder / "sign_mnist/sign_mnist_train.csv"
    changed_line(path, change)
    with pytest.raises(DataError, match=message) as caught:
        find_source("asl").load()
    assert path.name in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda row: row[:-1], "not a table of numbers"),
        (lambda row: [*row[:-1], "2.5"], "is not a whole number"),
        (lambda row: [*row[:-1], "nan"], "is not a whole number"),
        (lambda row: [*row[:-1], "11"], "has the label 11, outside the 10 classes"),
        (lambda row: ["nan", *row[1:]], "image 1 has a pixel that is NaN or infinite"),
        (lambda row: ["1e99", *row[1:]], "image 1 has a pixel that is NaN or infinite"),
        (lambda row: ["one", *row[1:]], "not a table of numbers"),
    ],
)
def test_bad_amat_is_refused_by_name(data_folder, change, message):
    fake_data.write_rotmnist(data_folder)
    path = data_folder / "mnist_rotation_new/mnist_all_rotation_normalized_float_train_valid.amat"
    changed_line(path, change)
    with pytest.raises(DataError, match=message) as caught:
        find_source("rotmnist").load()
    assert path.name in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"1 2 3\n", b"label,pixel1\n"])
def test_an_empty_table_is_refused(tmp_path, content):
    path = tmp_path / "table"
    path.write_bytes(content)
    for read in (read_amat, read_sign_language):
        with pytest.raises(DataError, match="table"):
            read([path, path])


def npz(**arrays):
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def npz_with(name, content):
    """An npz file with one member of raw bytes besides good labels."""
    buffer = io.BytesIO(npz(labels=np.zeros(4, np.uint8)))
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr(f"{name}.npy", content)
    return buffer.getvalue()


def header(text):
    encoded = text.encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(encoded)) + encoded


class Trap:
    """Unpickling it would leave a trace."""

    def __reduce__(self):
        return (os.mkdir, ("trap",))


GREY = np.zeros((4, 8, 8), np.uint8)
OBJECTS = header("{'descr': '|O', 'fortran_order': False, 'shape': (4,), }\n") + pickle.dumps(Trap())
HUGE = header("{'descr': '|u1', 'fortran_order': False, 'shape': (99999999999, 8, 8), }\n") + b"\0" * 99
CODE = header("{'descr': __import__('os').mkdir('trap'), 'fortran_order': False, 'shape': (4,), }\n")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"PK no", "not an npz file"),
        (npz(images=GREY, labels=np.zeros(4, np.uint8))[:-40], "not an npz file"),
        (npz(pictures=GREY, labels=np.zeros(4)), "holds labels, pictures; it needs the arrays train_images"),
        (npz(images=GREY, labels=np.zeros(4)), r"labels has the shape \[4\] of float64; give \[n\] whole numbers"),
        (npz(images=GREY, labels=np.zeros((4, 1), int)), r"labels has the shape \[4, 1\]"),
        (npz(images=GREY, labels=np.zeros(3, int)), "has 4 images, but .* has 3 labels"),
        (npz(images=GREY, labels=np.full(4, -1)), "has the label -1"),
        (npz(images=GREY, labels=np.full(4, 10**6)), "the label 1000000 is above 9999"),
        (npz(images=GREY.astype(int), labels=np.zeros(4, int)), "images is of int64; give uint8"),
        (npz(images=GREY[:, :7], labels=np.zeros(4, int)), r"images has the shape \[4, 7, 8\]; give"),
        (npz(images=GREY[:, None], labels=np.zeros(4, int)), r"images has the shape \[4, 1, 8, 8\]; give"),
        (npz(images=GREY[0], labels=np.zeros(8, int)), r"images has the shape \[8, 8\]; give"),
        (npz(images=np.full((4, 8, 8), np.nan), labels=np.zeros(4, int)), "image 0 has a pixel that is NaN"),
        (npz(images=np.full((4, 8, 8), 1e300), labels=np.zeros(4, int)), "image 0 has a pixel that is NaN"),
        (npz_with("images", OBJECTS), "images holds pickled objects, which aen never opens"),
        (npz_with("images", HUGE), "images is announced as .*, which it is not"),
        (npz_with("images", CODE), "images cannot be read"),
        (npz_with("images", b"junk"), "images cannot be read"),
    ],
)
def test_bad_npz_is_refused_by_name(data_folder, content, message):
    (data_folder / "mine.npz").write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        find_source("mine.npz").load()
    assert "mine.npz" in str(caught.value)
    assert not Path("trap").exists()


def test_npz_parts_of_two_shapes_are_refused(data_folder):
    arrays = {"train_images": GREY, "test_images": np.zeros((4, 6, 6), np.uint8)}
    fake_data.write_npz(data_folder / "two.npz", **arrays, train_labels=np.arange(4), test_labels=np.arange(4))
    with pytest.raises(DataError, match=r"two.npz: training and test images differ in shape"):
        find_source("two.npz")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("../../etc/passwd", r"its member '../../etc/passwd' leads outside the folder"),
        ("/etc/passwd", "its member '/etc/passwd' leads outside"),
        ("C:\\x", "leads outside"),
    ],
)
def test_archives_with_names_that_lead_outside_are_refused(tmp_path, name, message):
    tar = tmp_path / "a.tar.gz"
    tar.write_bytes(fake_data.tar_gz({"wanted": b"1", name: b"2"}))
    packed = tmp_path / "a.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("wanted", b"1")
        archive.writestr(zipfile.ZipInfo(name.replace("\\", "/")), b"2")
    for path in (tar, packed):
        with pytest.raises(DataError, match=message.replace("C:\\x", "C:")):
            read_members(path, ["wanted"])


def test_archives_without_a_member_or_with_a_link_for_it_are_refused(tmp_path):
    import tarfile

    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as archive:
        entry = tarfile.TarInfo("wanted")
        entry.type, entry.linkname = tarfile.SYMTYPE, "../secret"
        archive.addfile(entry)
    with pytest.raises(DataError, match=r"member '../secret' leads outside"):
        read_members(path, ["wanted"])
    path.write_bytes(fake_data.tar_gz({"wanted": b"1"}))
    with pytest.raises(DataError, match=r"a.tar: the archive has no 'other'"):
        read_members(path, ["other"])


def good_files(folder):
    """One file of each format with the function that reads it."""
    fake_data.write_mnist(folder)
    fake_data.write_cifar10(folder)
    fake_data.write_cifar10_archive(folder)
    fake_data.write_svhn(folder)
    fake_data.write_asl(folder)
    fake_data.write_rotmnist(folder)
    fake_data.write_npz(folder / "mine.npz", images=GREY, labels=np.arange(4))
    packed = {"chunks": (2, 64, 64, 1), "compression": "gzip"}
    galaxies = np.zeros((3, 256, 256, 3), np.uint8)
    fake_data.write_h5(folder / "galaxies.h5", images=(galaxies, packed), ans=np.arange(3))
    lesion = fake_data.write_isic(folder).names[0]
    raw = folder / "MNIST/raw"
    return {
        "idx.gz": (raw / "train-images-idx3-ubyte.gz", lambda p: read_idx(p, 3)),
        "cifar10": (folder / "cifar-10-batches-bin/test_batch.bin", lambda p: read_cifar10([p, p])),
        "tar.gz": (folder / "cifar-10-binary.tar.gz", lambda p: read_cifar10_archive([p])),
        "mat": (folder / "test_32x32.mat", lambda p: read_svhn([p])),
        "csv": (folder / "sign_mnist/sign_mnist_test.csv", lambda p: read_sign_language([p])),
        "amat": (
            folder / "mnist_rotation_new/mnist_all_rotation_normalized_float_test.amat",
            lambda p: read_amat([p]),
        ),
        "npz": (folder / "mine.npz", lambda p: (look_into_npz(p), read_npz(p))),
        "h5": (folder / "galaxies.h5", lambda p: read_galaxy10([p], name="fake", side=64)),
        "isic csv": (folder / isic.FILES[0], isic._read_table),
        "jpg": (folder / isic.FILES[1] / f"{lesion}.jpg", lambda p: isic._decoded(p, "isic", 16)),
    }


KINDS = ["idx.gz", "cifar10", "tar.gz", "mat", "csv", "amat", "npz", "h5", "isic csv", "jpg"]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return good_files(tmp_path_factory.mktemp("good"))


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damage_anywhere_is_read_or_refused_and_nothing_else(kind, files, tmp_path, data):
    path, read = files[kind]
    content = bytearray(path.read_bytes())
    read(path)
    # Headers are where damage does the most.
    place = data.draw(st.one_of(st.integers(0, min(300, len(content) - 1)), st.integers(0, len(content) - 1)))
    if data.draw(st.booleans()):
        content = content[:place]
    else:
        content[place] ^= data.draw(st.integers(1, 255))
    broken = tmp_path / path.name
    broken.write_bytes(content)
    message = str(broken)
    try:
        read(broken)
    except DataError as error:
        message = str(error)
    assert str(broken) in message
