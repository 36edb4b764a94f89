from pathlib import Path

import numpy as np
import pytest
from helpers import fake_data

import aen.data.find
from aen.data import find_source
from aen.data.files import inside, is_safe
from aen.data.find import data_folders
from aen.errors import DataError


def test_folders_are_looked_through_in_order(data_folder, monkeypatch, tmp_path):
    shared, here = tmp_path / "shared", Path("data")
    for seed, folder in ((2, shared), (1, here), (0, data_folder)):
        expected = fake_data.write_mnist(folder, fake=fake_data.make(seed=seed))
        np.testing.assert_array_equal(find_source("mnist").load().images.numpy(), expected.images)
    monkeypatch.delenv("AEN_DATA")
    second = fake_data.make(seed=1).images
    np.testing.assert_array_equal(find_source("mnist").load().images.numpy(), second)


@pytest.mark.parametrize("value", [None, ""])
def test_without_aen_data_the_first_folder_is_here(data_folder, monkeypatch, value):
    assert data_folders()[0] == data_folder
    monkeypatch.delenv("AEN_DATA") if value is None else monkeypatch.setenv("AEN_DATA", value)
    assert data_folders() == (Path("data"), aen.data.find.SHARED_FOLDER)
    with pytest.raises(DataError, match=r"not found in data .no such folder., .*; AEN_DATA is not set. Get it with"):
        find_source("mnist").load()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mnist", "Get it with: aen data fetch mnist. Or put train-images-idx3-ubyte, .* into .*MNIST/raw .packed"),
        ("emnist", "'emnist-balanced' was not found .* aen data fetch emnist-balanced.*EMNIST/raw"),
        ("cifar10", "Or put data_batch_1.bin, .*, test_batch.bin into .*cifar-10-batches-bin"),
        ("svhn", "Or put train_32x32.mat, test_32x32.mat into .*data_sets"),
        ("asl", "Get it from https://www.kaggle.com/.*Or put sign_mnist_train.csv"),
        ("rotmnist-rebuilt", "data set 'mnist' was not found"),
        (
            "galaxy10-64",
            "data set 'galaxy10' .* aen data fetch galaxy10. Or put Galaxy10_DECals.h5 into .*data_sets[.]$",
        ),
        (
            "isic",
            "Get it from https://challenge.isic-archive.com/.*Truth.csv, ISIC_2019_Training_Input/ into .*sets[.]$",
        ),
        ("isic-64:skip-missing", "data set 'isic' was not found"),
        ("gfashion_mnist-rot90", "data set 'fashion_mnist' was not found"),
    ],
)
def test_what_is_missing_is_said_with_what_to_put_where(data_folder, name, message):
    with pytest.raises(DataError, match=message) as caught:
        find_source(name).load()
    assert str(data_folder) in str(caught.value)


def test_a_missing_file_beside_others_is_named(data_folder):
    fake_data.write_mnist(data_folder)
    (data_folder / "MNIST/raw/t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(DataError, match=r"is there, but not MNIST/raw/t10k-labels-idx1-ubyte below"):
        find_source("mnist").load()


def test_the_three_mnists_are_not_taken_for_each_other(data_folder):
    fake_data.write_mnist(data_folder, folder=".")
    for name in ("mnist", "fashion_mnist", "kmnist"):
        with pytest.raises(DataError, match=r"was not found"):
            find_source(name).load()


def test_a_link_inside_the_folder_is_followed_and_one_outside_is_not(data_folder, tmp_path):
    fake_data.write_mnist(data_folder, folder="real")
    (data_folder / "MNIST").symlink_to(data_folder / "real")
    assert len(find_source("mnist").load().labels) == 80
    (data_folder / "MNIST").unlink()
    fake_data.write_mnist(tmp_path, folder="outside")
    (data_folder / "MNIST").symlink_to(tmp_path / "outside")
    with pytest.raises(DataError, match=r"is a link that leads outside the data folder, to .*outside.*copy the file"):
        find_source("mnist").load()


def test_a_data_folder_may_itself_be_a_link(data_folder, tmp_path, monkeypatch):
    fake_data.write_mnist(data_folder)
    (tmp_path / "link").symlink_to(data_folder)
    monkeypatch.setenv("AEN_DATA", str(tmp_path / "link"))
    assert len(find_source("mnist").load().labels) == 80


@pytest.mark.parametrize("name", ["../x.npz", "a/../../x.npz", "..\\x.npz", "C:\\x.npz", "a\0.npz"])
def test_names_that_lead_outside_are_refused(data_folder, name):
    np.savez(data_folder.parent / "x.npz", images=np.zeros((2, 4, 4), np.uint8), labels=np.arange(2))
    assert not is_safe(name)
    with pytest.raises(DataError, match=r"leads outside the data folder .*without '..'"):
        find_source(name)


def test_a_circle_of_links_is_refused(tmp_path):
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises(DataError, match=r"cannot be followed"):
        inside(tmp_path, "a/file")


@pytest.mark.parametrize("start", ["", "/"])
def test_a_name_that_no_disk_can_hold_is_refused(data_folder, start):
    with pytest.raises(DataError, match=r"cannot be (followed|read)|was not found|does not exist"):
        find_source(f"{start}{'x' * 5000}.npz")
    assert not any(data_folder.iterdir())


def test_npz_files_are_found_below_the_folders_or_by_their_full_path(data_folder):
    images = np.random.default_rng(0).integers(0, 255, (6, 5, 5, 2), dtype=np.uint8)
    path = fake_data.write_npz(data_folder / "mine/faces.npz", images=images, labels=np.array([0, 1, 2, 0, 1, 2]))
    for name in ("mine/faces.npz", str(path)):
        source = find_source(name)
        assert (source.side, source.channels, source.classes, source.images) == (5, 2, 3, (6,))
        pool = source.load()
        assert pool.official_train is None
        np.testing.assert_array_equal(pool.images.numpy(), images.transpose(0, 3, 1, 2))
    for name in ("faces.npz", str(path.parent / "face.npz")):
        with pytest.raises(
            DataError, match=r"npz file .*face.* (was not found in .*give its full path|does not exist)"
        ):
            find_source(name)


def test_an_unknown_name_says_what_was_meant():
    with pytest.raises(DataError, match=r"unknown data set 'fashion-mnist'.*did you mean 'fashion_mnist'"):
        find_source("fashion-mnist")
