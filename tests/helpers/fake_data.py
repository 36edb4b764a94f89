"""Small data sets in the published formats, written by independent code: what a test reads must come back as it was."""

import csv
import gzip
import io
import struct
import tarfile
from dataclasses import dataclass

import h5py
import numpy as np
from PIL import Image
from scipy.io import savemat


@dataclass
class Fake:
    """What was written: images of shape [n, channels, side, side] and labels, for training and test."""

    train: np.ndarray
    train_labels: np.ndarray
    test: np.ndarray
    test_labels: np.ndarray

    @property
    def images(self):
        return np.concatenate([self.train, self.test])

    @property
    def labels(self):
        return np.concatenate([self.train_labels, self.test_labels])


def make(n_train=60, n_test=20, *, channels=1, side=28, classes=10, seed=0):
    rng = np.random.default_rng(seed)
    train, test = (rng.integers(0, 256, (n, channels, side, side), dtype=np.uint8) for n in (n_train, n_test))
    # Every class is there.
    labels = [np.arange(n) % classes for n in (n_train, n_test)]
    return Fake(train, rng.permutation(labels[0]), test, rng.permutation(labels[1]))


def idx(array):
    array = np.asarray(array, np.uint8)
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def write(path, content, *, packed=False):
    path = path.with_name(path.name + ".gz") if packed else path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(content, mtime=0) if packed else content)
    return path


def write_mnist(root, *, folder="MNIST/raw", packed=True, fake=None):
    fake = fake or make()
    parts = (("train", fake.train, fake.train_labels), ("t10k", fake.test, fake.test_labels))
    for name, images, labels in parts:
        write(root / folder / f"{name}-images-idx3-ubyte", idx(images[:, 0]), packed=packed)
        write(root / folder / f"{name}-labels-idx1-ubyte", idx(labels), packed=packed)
    return fake


def write_emnist(root, split, classes, *, first_label=0, folder="EMNIST/raw", packed=True):
    fake = make(n_train=2 * classes, n_test=classes, classes=classes)
    parts = (("train", fake.train, fake.train_labels), ("test", fake.test, fake.test_labels))
    for name, images, labels in parts:
        stem = root / folder / f"emnist-{split}-{name}"
        columns_first = np.stack([image.T for image in images[:, 0]])
        write(stem.with_name(stem.name + "-images-idx3-ubyte"), idx(columns_first), packed=packed)
        write(stem.with_name(stem.name + "-labels-idx1-ubyte"), idx(labels + first_label), packed=packed)
    return fake


def cifar_files(fake):
    def batch(images, labels):
        return b"".join(bytes([label]) + image.tobytes() for image, label in zip(images, labels, strict=True))

    fifth = len(fake.train) // 5
    cuts = [slice(i * fifth, (i + 1) * fifth) for i in range(5)]
    files = {f"data_batch_{i + 1}.bin": batch(fake.train[c], fake.train_labels[c]) for i, c in enumerate(cuts)}
    return files | {"test_batch.bin": batch(fake.test, fake.test_labels)}


def write_cifar10(root, *, folder="cifar-10-batches-bin"):
    fake = make(channels=3, side=32)
    for name, content in cifar_files(fake).items():
        write(root / folder / name, content)
    return fake


def tar_gz(members):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def write_cifar10_archive(root):
    fake = make(channels=3, side=32)
    members = {f"cifar-10-batches-bin/{name}": content for name, content in cifar_files(fake).items()}
    write(root / "cifar-10-binary.tar.gz", tar_gz(members))
    return fake


def write_svhn(root, *, folder="."):
    fake = make(channels=3, side=32)
    (root / folder).mkdir(parents=True, exist_ok=True)
    parts = (("train", fake.train, fake.train_labels), ("test", fake.test, fake.test_labels))
    for name, images, labels in parts:
        values = {"X": images.transpose(2, 3, 1, 0), "y": np.where(labels == 0, 10, labels).astype(np.uint8)[:, None]}
        savemat(root / folder / f"{name}_32x32.mat", values)
    return fake


def write_asl(root, *, folder="sign_mnist"):
    fake = make(n_train=48, n_test=24, classes=24)
    letters = [number for number in range(25) if number != 9]
    parts = (("train", fake.train, fake.train_labels), ("test", fake.test, fake.test_labels))
    for name, images, labels in parts:
        text = io.StringIO()
        table = csv.writer(text)
        table.writerow(["label", *(f"pixel{i}" for i in range(1, 785))])
        table.writerows([letters[label], *image.reshape(-1)] for image, label in zip(images, labels, strict=True))
        write(root / folder / f"sign_mnist_{name}.csv", text.getvalue().encode())
    return fake


def write_rotmnist(root, *, folder="mnist_rotation_new", packed=False):
    fake = make(n_train=30, n_test=20)
    fake.train, fake.test = ((images / np.float32(256)).astype(np.float32) for images in (fake.train, fake.test))
    parts = (("train_valid", fake.train, fake.train_labels), ("test", fake.test, fake.test_labels))
    for name, images, labels in parts:
        lines = [
            " ".join(f"{x:.9g}" for x in [*image[0].T.reshape(-1), float(label)])
            for image, label in zip(images, labels, strict=True)
        ]
        path = root / folder / f"mnist_all_rotation_normalized_float_{name}.amat"
        write(path, "\n".join(lines).encode(), packed=packed)
    return fake


@dataclass
class Galaxies:
    """What was written: images of shape [n, 3, 256, 256] and labels."""

    images: np.ndarray
    labels: np.ndarray


def write_galaxy10(root, *, n=40, folder=".", seed=0, **layout):
    """Write the file of Galaxy10; `layout` is what h5py is told of how the images lie in it."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (n, 256, 256, 3), dtype=np.uint8)
    labels = rng.permutation(np.arange(n) % 10)
    (root / folder).mkdir(parents=True, exist_ok=True)
    write_h5(root / folder / "Galaxy10_DECals.h5", images=(images, layout), ans=labels.astype(np.uint8), ra=labels / 2)
    return Galaxies(images.transpose(0, 3, 1, 2), labels)


def write_h5(path, **arrays):
    with h5py.File(path, "w") as file:
        for name, value in arrays.items():
            array, layout = value if isinstance(value, tuple) else (value, {})
            file.create_dataset(name, data=array, **layout)
    return path


@dataclass
class Lesions:
    """What was written: names and classes in the order of the table, and pictures [rows, columns, 3] by name."""

    names: list[str]
    labels: np.ndarray
    pictures: dict[str, np.ndarray]


LESIONS = ("MEL", "NV", "BCC", "AK", "BKL", "DF", "VASC", "SCC", "UNK")


def write_isic(root, *, n=16, folder=".", seed=0):
    """Write the table and pictures of ISIC 2019: wide, high and square ones, every fourth of them grey."""
    rng = np.random.default_rng(seed)
    names = [f"ISIC_{number:07}" for number in rng.permutation(10 * n)[:n]]
    labels = np.arange(n) % 8
    pictures = {}
    for i, name in enumerate(names):
        # Smooth, so that JPEG keeps them almost as they are.
        columns, rows = ((300, 260), (270, 280), (90, 70), (256, 256))[i % 4]
        coarse = Image.fromarray(rng.integers(0, 256, (4, 5, 3), dtype=np.uint8))
        picture = coarse.resize((columns, rows), Image.Resampling.BICUBIC).convert("L" if i % 4 == 3 else "RGB")
        write_jpg(root / folder / "ISIC_2019_Training_Input" / f"{name}.jpg", picture)
        pictures[name] = np.asarray(picture.convert("RGB"))
    write_table(root / folder, zip(names, labels, strict=True))
    return Lesions(names, labels, pictures)


def write_jpg(path, picture):
    path.parent.mkdir(parents=True, exist_ok=True)
    (picture if isinstance(picture, Image.Image) else Image.fromarray(picture)).save(path, quality=100, subsampling=0)


def write_table(folder, rows):
    text = io.StringIO()
    table = csv.writer(text)
    table.writerow(["image", *LESIONS])
    table.writerows([name, *(float(label == i) for i in range(9))] for name, label in rows)
    return write(folder / "ISIC_2019_Training_GroundTruth.csv", text.getvalue().encode())


def write_npz(path, **arrays):
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **arrays)
    return path
