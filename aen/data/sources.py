"""Data sets by name: what they hold, which files they are made of and how these are read."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch

from aen.data.benchmarks import ALIASES, BENCHMARK_NAMES, BENCHMARKS, resolve
from aen.data.find import Found, Layout, check_pin, find_npz, is_npz, locate, require
from aen.data.formats import (
    CIFAR10_FILES,
    read_amat,
    read_cifar10,
    read_cifar10_archive,
    read_idx_parts,
    read_sign_language,
    read_svhn,
)
from aen.data.npz import look_into_npz, read_npz
from aen.data.pool import Part, Pool, pool_of
from aen.data.sets import galaxy10, isic
from aen.errors import DataError, did_you_mean


@dataclass(frozen=True)
class Source:
    """A data set by name. Everything but its images is known without reading a file.

    Attributes:
        load: returns all images, before moves and split.
        side: side of the images.
        classes: number of classes.
        channels: 1 for grey images, 3 for colour.
        images: number of training and of test images as published, or of all where there is no official split.
        layouts: the forms in which its files are accepted; empty: it needs none, or another data set's.
        made_from: the data set whose files it needs.
    """

    load: Callable[[], Pool]
    side: int
    classes: int
    channels: int = 1
    images: tuple[int, ...] = ()
    layouts: tuple[Layout, ...] = ()
    made_from: str | None = None


def _digits() -> Pool:
    """scikit-learn's digits: 1,797 handwritten digits, 8x8, 17 grey levels (embedded, nothing to download)."""
    # Its file is read without it: to import sklearn.datasets takes each process two seconds.
    package = find_spec("sklearn")
    file = Path((package and package.origin) or "").parent / "datasets" / "data" / "digits.csv.gz"
    if file.is_file():
        rows = np.loadtxt(file, delimiter=",")
        images, labels = rows[:, :-1], rows[:, -1]
    else:
        from sklearn.datasets import load_digits

        images, labels = load_digits(return_X_y=True)
    pixels = torch.from_numpy((images / 16).astype(np.float32)).reshape(-1, 1, 8, 8)
    return Pool(pixels, torch.from_numpy(labels.astype(np.int64)))


def _file_source(
    name: str, layouts: tuple[Layout, ...], *, side: int, classes: int, images: tuple[int, ...], channels: int = 1
) -> Source:
    def load() -> Pool:
        found = require(name, layouts, how_to_get(name))
        return pool_of(found.layout.read(found.paths), side=side, channels=channels, classes=classes)

    return Source(load, side, classes, channels, images, layouts)


def how_to_get(name: str) -> str:
    """Return the sentence that says how to get a data set."""
    if name == "asl":
        return "Get it from https://www.kaggle.com/datasets/datamunge/sign-language-mnist (needs an account)."
    if name == "isic":
        return f"Get it from {isic.ADDRESS}."
    return f"Get it with: aen data fetch {name}."


def _folders(
    folders: Sequence[str],
    files: Sequence[str],
    read: Callable[[Sequence[Path]], list[Part]],
    *,
    packed: bool = True,
) -> list[Layout]:
    paths = [tuple(f"{folder}/{file}".removeprefix("./") for file in files) for folder in folders]
    return [Layout(names, read, packed=packed) for names in paths]


def _idx_files(train: str, test: str) -> list[str]:
    return [f"{part}-{kind}-ubyte" for part in (train, test) for kind in ("images-idx3", "labels-idx1")]


def _mnist_like(name: str, folders: Sequence[str]) -> Source:
    # torchvision's folder first; the four names are the same for all of these, so a folder of its own is needed.
    layouts = _folders(folders, _idx_files("train", "t10k"), read_idx_parts)
    return _file_source(name, tuple(layouts), side=28, classes=10, images=(60_000, 10_000))


def _emnist(split: str, classes: int, images: tuple[int, int], *, first_label: int = 0) -> Source:
    read = functools.partial(read_idx_parts, transposed=True, first_label=first_label)
    files = _idx_files(f"emnist-{split}-train", f"emnist-{split}-test")
    layouts = _folders(["EMNIST/raw", "EMNIST/raw/gzip", "EMNIST", "emnist", "."], files, read)
    return _file_source(f"emnist-{split}", tuple(layouts), side=28, classes=classes, images=images)


def _cifar10() -> Source:
    layouts = _folders(["cifar-10-batches-bin", "CIFAR10/cifar-10-batches-bin"], CIFAR10_FILES, read_cifar10)
    layouts += _folders([".", "CIFAR10"], ["cifar-10-binary.tar.gz"], read_cifar10_archive)
    subset = "npz, re-encoded subset: for development, never for a published figure"
    layouts.append(Layout(("cifar10_subset.npz",), lambda paths: read_npz(paths[0]), subset))
    return _file_source("cifar10", tuple(layouts), side=32, classes=10, images=(50_000, 10_000), channels=3)


def _svhn() -> Source:
    layouts = _folders([".", "SVHN", "svhn"], ["train_32x32.mat", "test_32x32.mat"], read_svhn)
    return _file_source("svhn", tuple(layouts), side=32, classes=10, images=(73_257, 26_032), channels=3)


def _sign_language() -> Source:
    files = ["sign_mnist_train.csv", "sign_mnist_test.csv"]
    layouts = _folders(["sign_mnist", "asl", "sign-language-mnist", "."], files, read_sign_language)
    return _file_source("asl", tuple(layouts), side=28, classes=24, images=(27_455, 7_172))


def _rotated() -> Source:
    files = [f"mnist_all_rotation_normalized_float_{part}.amat" for part in ("train_valid", "test")]
    layouts = _folders(["mnist_rotation_new", "rotmnist", "."], files, read_amat)
    return _file_source("rotmnist", tuple(layouts), side=28, classes=10, images=(12_000, 50_000))


def _galaxy10(name: str, side: int) -> Source:
    read = functools.partial(galaxy10.read_galaxy10, name=name, side=side)
    layouts = _folders([".", "Galaxy10", "galaxy10"], [galaxy10.FILE], read, packed=False)
    classes = galaxy10.CLASSES
    return _file_source("galaxy10", tuple(layouts), side=side, classes=classes, images=(17_736,), channels=3)


def _isic(name: str, side: int, *, skip_missing: bool = False, pin: str | None = None) -> Source:
    read = functools.partial(isic.read_isic, name=name, side=side, skip_missing=skip_missing, pin=pin)
    layouts = _folders([".", "ISIC_2019", "isic"], isic.FILES, read, packed=False)
    classes = len(isic.CLASSES)
    return _file_source("isic", tuple(layouts), side=side, classes=classes, images=(25_331,), channels=3)


def _from(basis: str, source: Source) -> Source:
    """Return a source that is found where another data set is."""
    return replace(source, layouts=(), made_from=basis)


REBUILT_IMAGES = (12_000, 50_000)


def rebuild_rotated(seed: int) -> Pool:
    """Return rotated MNIST, rebuilt: MNIST's images drawn anew into 12,000 + 50,000, to be turned by any angle.

    From an MNIST with fewer images the two parts keep their proportion.

    Args:
        seed: of the draw and of the angles.
    """
    mnist = SOURCES["mnist"].load()
    n = min(len(mnist.labels), sum(REBUILT_IMAGES))
    train = n * REBUILT_IMAGES[0] // sum(REBUILT_IMAGES)
    chosen = torch.from_numpy(np.random.default_rng(seed).permutation(len(mnist.labels))[:n])
    return Pool(mnist.images[chosen], mnist.labels[chosen], official_train=train, turned=seed)


# In the order in which `aen data list` shows them.
SOURCES: dict[str, Source] = {
    "digits": Source(_digits, side=8, classes=10, images=(1_797,)),
    "mnist": _mnist_like("mnist", ["MNIST/raw", "MNIST", "mnist/raw", "mnist"]),
    "fashion_mnist": _mnist_like("fashion_mnist", ["FashionMNIST/raw", "FashionMNIST", "fashion_mnist"]),
    "kmnist": _mnist_like("kmnist", ["KMNIST/raw", "KMNIST", "kmnist"]),
    "emnist-balanced": _emnist("balanced", 47, (112_800, 18_800)),
    "emnist-letters": _emnist("letters", 26, (124_800, 20_800), first_label=1),
    "emnist-digits": _emnist("digits", 10, (240_000, 40_000)),
    "emnist-mnist": _emnist("mnist", 10, (60_000, 10_000)),
    "cifar10": _cifar10(),
    "svhn": _svhn(),
    "galaxy10": _galaxy10("galaxy10", 256),
    "galaxy10-64": _from("galaxy10", _galaxy10("galaxy10-64", 64)),
    "isic": _isic("isic", 256),
    "isic-64": _from("isic", _isic("isic-64", 64)),
    "asl": _sign_language(),
    "rotmnist": _rotated(),
    "rotmnist-rebuilt": Source(
        lambda: rebuild_rotated(0), side=28, classes=10, images=REBUILT_IMAGES, made_from="mnist"
    ),
}

SKIPPING_NAMES = tuple(f"{name}{isic.SKIP_MISSING}" for name in ("isic", "isic-64"))


def find_source(name: str) -> Source:
    """Return the source of a data set.

    Args:
        name: one of `SOURCES` or of `SKIPPING_NAMES`, a benchmark such as ``gmnist-multi-3``, or the path of an npz
            file. Only the last is looked into: its labels and the shape of its images.

    Raises:
        DataError: no data set of this name, or an npz file that cannot be used.
    """
    if is_npz(name):
        return _npz_source(name)
    name = resolve(name)[0]
    skipped = isic.skipping(name)
    if skipped and f"{skipped[0]}{isic.SKIP_MISSING}" in SKIPPING_NAMES:
        basis, pin = skipped
        return _from("isic", _isic(basis, SOURCES[basis].side, skip_missing=True, pin=pin))
    if name not in SOURCES:
        names = [*SOURCES, *ALIASES, *SKIPPING_NAMES, *(BENCHMARK_NAMES if name.startswith("g") else BENCHMARKS)]
        raise DataError(f"unknown data set {name!r}{did_you_mean(name, names)}.")
    return SOURCES[name]


def find_files(name: str) -> Found | None:
    """Return where the files of a data set are, or None if they are nowhere or it needs none."""
    source = find_source(name)
    return locate((SOURCES[source.made_from] if source.made_from else source).layouts)


def _npz_source(name: str) -> Source:
    shape = look_into_npz(find_npz(name))

    def load() -> Pool:
        check_pin(name)
        parts = read_npz(find_npz(name))
        return pool_of(parts, side=shape.side, channels=shape.channels, classes=shape.classes)

    return Source(load, shape.side, shape.classes, shape.channels, shape.images)
