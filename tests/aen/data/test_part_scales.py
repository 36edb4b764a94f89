"""Parts of a data set must have one type and one scale, and number their classes alike."""

import numpy as np
import pytest
from helpers import fake_data

from aen.data import DataSpec, load_dataset
from aen.data.check import check_data
from aen.data.registry import find_source
from aen.errors import DataError

DRAWS = np.random.default_rng(0)
TYPE, SCALE, CONSTANT = "they differ in type", "they differ in scale", "pixels of one value only"


def levels(n=60, top=256):
    return DRAWS.integers(0, top, (n, 8, 8), dtype=np.uint8)


def unit(n=60):
    return DRAWS.random((n, 8, 8))


REFUSED = {
    "bytes and 0 to 1": (
        levels(),
        unit(20),
        rf"train_images is uint8 from 0 to 255, but test_images is float.* 0.*{TYPE}",
    ),
    "0 to 1 and bytes": (unit(), levels(20), rf"but test_images is uint8 from 0 to 255: {TYPE}"),
    "bytes and 0 to 255": (levels(), levels(20).astype(np.float32), TYPE),
    "0 to 1 and 0 to 255": (unit(), levels(20) * 1.0, rf"from 0 to 255: {SCALE}"),
    "0 to 255 and 0 to 1": (levels() * 1.0, unit(20), SCALE),
    "0 to 1 and 0 to 16": (unit(), unit(20) * 16, SCALE),
    "-1 to 1 and 0 to 1": (unit() * 2 - 1, unit(20), SCALE),
    "0 to 1 and -1 to 1": (unit(), unit(20) * 2 - 1, SCALE),
    "standardised and bytes as floats": (DRAWS.normal(size=(60, 8, 8)), levels(20) * 1.0, SCALE),
    "bytes and bits": (
        levels(),
        levels(20, top=2),
        rf"uint8 from 0 to 255, but test_images is uint8 from 0 to 1: {SCALE}",
    ),
    "bytes and zeros": (levels(), np.zeros((20, 8, 8), np.uint8), rf"uint8 from 0 to 0: one of them has {CONSTANT}"),
    "ones and 0 to 1": (np.ones((60, 8, 8)), unit(20), CONSTANT),
    "bytes and uint16": (levels(), levels(20).astype(np.uint16), "test_images is of uint16; give uint8"),
    "bytes and bool": (levels(), levels(20, top=2).astype(bool), "test_images is of bool; give uint8"),
    "NaN": (unit(), np.full((20, 8, 8), np.nan), "mine.npz: test_images: image 0 has a pixel that is NaN"),
    "infinite": (
        np.full((60, 8, 8), np.inf),
        unit(20),
        "mine.npz: train_images: image 0 has a pixel that is NaN or inf",
    ),
    "channels first": (
        DRAWS.random((60, 8, 8, 3)),
        DRAWS.random((20, 3, 8, 8)),
        r"test_images has the shape \[20, 3, 8, 8\]; give .*, with the channels last",
    ),
}
ACCEPTED = {
    "a brightest pixel of 254": (levels(), levels(20, top=255)),
    "one image": (levels(), levels(1)),
    "two kinds of floating point": (unit().astype(np.float16), unit(20)),
    "ranges that overlap": (unit() * 0.9, unit(20)),
    "standardised": (DRAWS.normal(size=(60, 8, 8)), DRAWS.normal(size=(3, 8, 8)) * 1.5),
    "few negative pixels in one": (np.where(unit() < 0.01, -0.01, unit()), unit(20)),
    "dark images": (unit(), unit(3) * 0.3),
    "an outlier": (np.where(np.arange(64).reshape(8, 8) == 0, 50.0, unit()), unit(20)),
    "a channel axis": (levels(), levels(20)[..., None]),
    "all zeros in both": (np.zeros((60, 8, 8)), np.zeros((20, 8, 8))),
}


def write(folder, train, test, train_labels=None, test_labels=None):
    fake_data.write_npz(
        folder / "mine.npz",
        train_images=train,
        train_labels=np.arange(len(train)) % 10 if train_labels is None else train_labels,
        test_images=test,
        test_labels=np.arange(len(test)) % 10 if test_labels is None else test_labels,
    )


@pytest.mark.parametrize(("train", "test", "message"), REFUSED.values(), ids=REFUSED)
def test_parts_that_differ_are_refused_by_search_and_check(data_folder, train, test, message):
    write(data_folder, train, test)
    with pytest.raises(DataError, match=message) as checked:
        check_data("mine.npz")
    with pytest.raises(DataError) as loaded:
        load_dataset(DataSpec("mine.npz", train=10, validation=10, test=1, split="random"))
    assert str(loaded.value) == str(checked.value)
    assert "mine.npz: " in str(checked.value)
    with pytest.raises(DataError, match=r"mine\.npz: "):
        load_dataset(DataSpec("mine.npz", train=10, validation=10, test=1))


@pytest.mark.parametrize(("train", "test"), ACCEPTED.values(), ids=ACCEPTED)
def test_parts_that_are_alike_pass(data_folder, train, test):
    write(data_folder, train, test)
    pool = find_source("mine.npz").load()
    assert pool.official_train == len(train)
    assert len(pool.labels) == len(train) + len(test)


N, M = np.arange(60) % 10, np.arange(20) % 10


@pytest.mark.parametrize(
    ("train_labels", "test_labels", "message"),
    [
        (N, M + 1, r"test_labels has the label 10, which train_labels lacks \(it has 0 to 9, test_labels 1 to 10\)"),
        (N + 1, M, r"the label 0, which train_labels lacks \(it has 1 to 10, test_labels 0 to 9\)"),
        (N[:8] % 2, M % 2 + 1, "the label 2, which train_labels lacks"),
        (N % 5, M % 5 + 5, "test_labels has the labels 5, 6, 7, 8, 9, which train_labels lacks"),
        (N % 2, M, "the labels 2, 3, 4, 5, 6, ..., which train_labels"),
        (N / 1, M, "train_labels has the shape .* of float64; give"),
        (N, M == 1, "test_labels has the shape .* of bool; give"),
        (N, M - 1, "test_labels has the label -1, which"),
    ],
)
def test_classes_are_numbered_alike(data_folder, train_labels, test_labels, message):
    write(data_folder, levels(len(train_labels)), levels(20), train_labels, test_labels)
    with pytest.raises(DataError, match=message):
        check_data("mine.npz")


def test_other_labels_pass(data_folder):
    write(data_folder, levels(), levels(20), N.astype(np.uint8), (M % 3).astype(np.int64))
    assert check_data("mine.npz").notes == ()
    write(data_folder, levels(15), levels(20), np.arange(15) % 5 * 2, M)  # a small part may lack classes by chance
    assert check_data("mine.npz").notes == ()
    write(data_folder, levels(), levels(20), N + 1, M + 1)
    assert check_data("mine.npz").notes == (
        "no image has the label 0, which counts as a class; number the classes from 0 up",
    )


def test_the_parts_of_other_formats_are_compared_too(data_folder):
    fake_data.write_rotmnist(data_folder)
    path = data_folder / "mnist_rotation_new/mnist_all_rotation_normalized_float_test.amat"
    table = np.loadtxt(path)
    np.savetxt(path, np.hstack([table[:, :-1] * 255, table[:, -1:]]))
    with pytest.raises(DataError, match=rf"train_valid.amat is float.*, but .*_test.amat is floating point.*: {SCALE}"):
        find_source("rotmnist").load()
