import os

import numpy as np
import pytest
import torch
from helpers import fake_data

from aen.data import SOURCES, DataSpec, find_source, load_dataset, load_test_split
from aen.data.sets.rotmnist import rebuild_rotated
from aen.errors import DataError

WRITERS = {
    "mnist": fake_data.write_mnist,
    "mnist unpacked": lambda root: fake_data.write_mnist(root, packed=False),
    "mnist without raw": lambda root: fake_data.write_mnist(root, folder="mnist"),
    "fashion_mnist": lambda root: fake_data.write_mnist(root, folder="FashionMNIST/raw"),
    "kmnist": lambda root: fake_data.write_mnist(root, folder="KMNIST/raw"),
    "emnist": lambda root: fake_data.write_emnist(root, "balanced", 47),
    "emnist-balanced": lambda root: fake_data.write_emnist(root, "balanced", 47, packed=False),
    "emnist-letters": lambda root: fake_data.write_emnist(root, "letters", 26, first_label=1),
    "emnist-digits": lambda root: fake_data.write_emnist(root, "digits", 10, folder="."),
    "emnist-mnist": lambda root: fake_data.write_emnist(root, "mnist", 10, folder="EMNIST/raw/gzip"),
    "cifar10": fake_data.write_cifar10,
    "cifar10 archive": fake_data.write_cifar10_archive,
    "svhn": fake_data.write_svhn,
    "svhn in a folder": lambda root: fake_data.write_svhn(root, folder="SVHN"),
    "asl": fake_data.write_asl,
    "rotmnist": fake_data.write_rotmnist,
    "rotmnist packed": lambda root: fake_data.write_rotmnist(root, packed=True),
}


@pytest.mark.parametrize("case", WRITERS)
def test_what_was_written_is_read(case, data_folder):
    written = WRITERS[case](data_folder)
    source = find_source(case.split()[0])
    pool = source.load()
    assert pool.images.dtype in {torch.uint8, torch.float32}
    np.testing.assert_array_equal(pool.images.numpy(), written.images)
    np.testing.assert_array_equal(pool.labels.numpy(), written.labels)
    assert pool.official_train == len(written.train)
    assert (source.channels, source.side) == pool.images.shape[1:3]
    assert source.classes == int(pool.labels.max()) + 1


@pytest.mark.parametrize("packed", [True, False])
def test_packed_and_unpacked_files_may_be_mixed(data_folder, packed):
    written = fake_data.write_mnist(data_folder)
    images = data_folder / "MNIST/raw/train-images-idx3-ubyte.gz"
    fake_data.write(images.with_suffix(""), fake_data.idx(written.train[:, 0]))
    images.unlink()
    (data_folder / ("MNIST/raw/other.gz" if packed else "MNIST/raw/other")).write_bytes(b"")
    np.testing.assert_array_equal(find_source("mnist").load().images.numpy(), written.images)


def test_everything_but_the_images_is_known_without_files(data_folder):
    assert not any(data_folder.iterdir())
    for name in [*SOURCES, "emnist", "gmnist-multi-3", "isic:skip-missing"]:
        source = find_source(name)
        assert source.side in {8, 28, 32, 64, 256}
        assert source.classes in {8, 10, 24, 26, 47}


def test_the_official_test_set_stays_test(data_folder):
    written = fake_data.write_mnist(data_folder)
    spec = DataSpec("mnist", train=40, validation=20, test=20)
    dataset, test = load_dataset(spec), load_test_split(spec)
    learnt = torch.cat([dataset.train.labels, dataset.validation.labels])
    assert sorted(learnt.tolist()) == sorted(written.train_labels.tolist())
    assert sorted(test.labels.tolist()) == sorted(written.test_labels.tolist())
    raw = written.train.reshape(60, -1) / 255
    for split, allowed in ((dataset.train, raw), (test, written.test.reshape(20, -1) / 255)):
        for image, label in zip(split.images, split.labels, strict=True):
            difference = np.abs(np.corrcoef(image.numpy().reshape(1, -1), allowed)[0, 1:] - 1)
            place = int(difference.argmin())
            assert difference[place] < 1e-6
            assert (written.train_labels if allowed is raw else written.test_labels)[place] == label


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"train": 41}, r"'mnist' has 60 training images, too few for 41 train \+ 20 validation = 61"),
        ({"test": 21}, r"'mnist' has 20 test images, too few for 21 test; ask for fewer"),
    ],
)
def test_official_parts_do_not_lend_each_other_images(data_folder, sizes, message):
    fake_data.write_mnist(data_folder)
    with pytest.raises(DataError, match=message):
        load_dataset(DataSpec("mnist", **({"train": 40, "validation": 20, "test": 20} | sizes)))


def test_grey_levels_are_standardised_by_the_training_images(data_folder):
    fake_data.write_mnist(data_folder)
    dataset = load_dataset(DataSpec("mnist", train=40, validation=20, test=20))
    train = dataset.train.images.double()
    assert abs(float(train.mean())) < 1e-6
    assert abs(float(train.std()) - 1) < 1e-6
    assert dataset.train.images.dtype == torch.float32
    assert abs(float(dataset.validation.images.mean())) > 1e-6


def test_a_uniform_image_does_not_divide_by_zero(data_folder):
    fake = fake_data.make()
    fake.train[:], fake.test[:] = 7, 7
    fake_data.write_mnist(data_folder, fake=fake)
    assert torch.isfinite(load_dataset(DataSpec("mnist", train=40, validation=20, test=20)).train.images).all()


def test_colour_images_keep_their_channels(data_folder):
    fake_data.write_cifar10(data_folder)
    assert load_dataset(DataSpec("cifar10", train=40, validation=20, test=20)).train.images.shape == (40, 3, 32, 32)


def test_another_folder_is_another_data_set(data_folder, monkeypatch, tmp_path):
    spec = DataSpec("mnist", train=40, validation=20, test=20)
    fake_data.write_mnist(data_folder)
    one = load_dataset(spec).train.images
    fake_data.write_mnist(tmp_path / "other", fake=fake_data.make(seed=1))
    monkeypatch.setenv("AEN_DATA", str(tmp_path / "other"))
    assert not torch.equal(one, load_dataset(spec).train.images)


def test_rotated_mnist_is_rebuilt_in_the_published_proportion(data_folder):
    written = fake_data.write_mnist(data_folder, fake=fake_data.make(n_train=600, n_test=100))
    one, same, other = rebuild_rotated(0), rebuild_rotated(0), rebuild_rotated(1)
    assert len(one.labels) == 700
    assert one.official_train == 700 * 12 // 62
    assert torch.equal(one.images, same.images)
    assert not torch.equal(one.images, other.images)
    assert sorted(one.labels.tolist()) == sorted(written.labels.tolist())
    dataset = load_dataset(DataSpec("rotmnist-rebuilt", train=100, validation=35, test=500))
    plain = (one.images[: one.official_train].float() / 255).std()
    # Turned, not only drawn: corners are zero now where all grey levels were.
    assert len(dataset.train.images[:, 0, 0, 0].unique()) < 100
    assert plain > 0.2


def test_the_subset_of_cifar10_is_taken_where_there_is_nothing_else(data_folder):
    fake = fake_data.make(channels=3, side=32)
    arrays = {"train_images": fake.train, "test_images": fake.test}
    fake_data.write_npz(
        data_folder / "cifar10_subset.npz",
        **{key: images.transpose(0, 2, 3, 1) for key, images in arrays.items()},
        train_labels=fake.train_labels.astype(np.uint8),
        test_labels=fake.test_labels.astype(np.uint8),
        classes=np.array(list("abcdefghij")),
    )
    np.testing.assert_array_equal(find_source("cifar10").load().images.numpy(), fake.images)
    binary = fake_data.write_cifar10(data_folder)
    assert find_source("cifar10").load().official_train == len(binary.train)


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_real_data_load_fast(name):
    if "AEN_DATA" not in os.environ:
        pytest.skip("AEN_DATA is not set")
    dataset = load_dataset(DataSpec(name, train=4000, validation=1000, test=10_000))
    assert dataset.train.images.shape == (4000, 1, 28, 28)
    # Black is by far the commonest grey level.
    assert (dataset.train.images == dataset.train.images.min()).float().mean() > 0.4
