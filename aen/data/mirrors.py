"""Where data sets can be fetched, and the checksums by which their files are known."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Download:
    """One file to fetch.

    Attributes:
        name: of the file, below a mirror's address.
        target: where it goes, below the data folder.
        checksum: the published one, an md5 or a sha256.
        unpack: for an archive, which of its members go where; the archive itself is not kept.
    """

    name: str
    target: str
    checksum: str
    unpack: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Recipe:
    """How a data set is fetched.

    Attributes:
        mirrors: addresses of folders that hold the files, tried in order.
        files: all that it needs.
    """

    mirrors: tuple[str, ...]
    files: tuple[Download, ...]


_IDX = tuple(f"{part}-{kind}-ubyte.gz" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1"))


def _mnist_like(folder: str, mirrors: tuple[str, ...], checksums: tuple[str, ...]) -> Recipe:
    files = zip(_IDX, checksums, strict=True)
    return Recipe(mirrors, tuple(Download(name, f"{folder}/raw/{name}", md5) for name, md5 in files))


def _emnist(split: str) -> Recipe:
    mirrors = ("https://biometrics.nist.gov/cs_links/EMNIST/", "https://www.itl.nist.gov/iaui/vip/cs_links/EMNIST/")
    names = [
        f"emnist-{split}-{part}-{kind}-ubyte.gz"
        for part in ("train", "test")
        for kind in ("images-idx3", "labels-idx1")
    ]
    unpack = tuple((f"gzip/{name}", f"EMNIST/raw/{name}") for name in names)
    return Recipe(mirrors, (Download("gzip.zip", "EMNIST/raw/gzip.zip", "58c8d27c78d21e728a6bc7b3cc06412e", unpack),))


_CIFAR10 = tuple(
    f"cifar-10-batches-bin/{name}.bin" for name in (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch")
)
_ROTATED = tuple(f"mnist_all_rotation_normalized_float_{part}.amat" for part in ("train_valid", "test"))

RECIPES: Mapping[str, Recipe] = {
    "mnist": _mnist_like(
        "MNIST",
        (
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
            "http://yann.lecun.com/exdb/mnist/",
        ),
        (
            "f68b3c2dcbeaaa9fbdd348bbdeb94873",
            "d53e105ee54ea40749a09fcbcd1e9432",
            "9fb629c4189551a2d022fa330f9573f3",
            "ec29112dd5afa0611ce80d1b7f02629c",
        ),
    ),
    "fashion_mnist": _mnist_like(
        "FashionMNIST",
        (
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
            "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
        ),
        (
            "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
            "25c81989df183df01b3e8a0aad5dffbe",
            "bef4ecab320f06d8554ea6380940ec79",
            "bb300cfdad3c16e7a12a480ee83cd310",
        ),
    ),
    "kmnist": _mnist_like(
        "KMNIST",
        ("http://codh.rois.ac.jp/kmnist/dataset/kmnist/",),
        (
            "bdb82020997e1d708af4cf47b453dcf7",
            "e144d726b3acfaa3e44228e80efcd344",
            "5c965bf0a639b31b8f53240b1b52f4d7",
            "7320c461ea6c1c855c0b718fb2a4b134",
        ),
    ),
    **{f"emnist-{split}": _emnist(split) for split in ("balanced", "letters", "digits", "mnist")},
    "cifar10": Recipe(
        ("https://www.cs.toronto.edu/~kriz/",),
        (
            Download(
                "cifar-10-binary.tar.gz",
                "cifar-10-binary.tar.gz",
                "c32a1d4ab5d03f1284b67883e8d13530",
                tuple((name, name) for name in _CIFAR10),
            ),
        ),
    ),
    "svhn": Recipe(
        ("http://ufldl.stanford.edu/housenumbers/",),
        (
            Download("train_32x32.mat", "train_32x32.mat", "e26dedcc434d2e4c54c9b2d4a06d8373"),
            Download("test_32x32.mat", "test_32x32.mat", "eb5a983be6a315427106f1b164d9cef3"),
        ),
    ),
    "galaxy10": Recipe(
        ("https://zenodo.org/records/10845026/files/", "https://www.astro.utoronto.ca/~hleung/shared/Galaxy10/"),
        (
            Download(
                "Galaxy10_DECals.h5",
                "Galaxy10_DECals.h5",
                "19aefc477c41bb7f77ff07599a6b82a038dc042f889a111b0d4d98bb755c1571",
            ),
        ),
    ),
    "rotmnist": Recipe(
        ("http://www.iro.umontreal.ca/~lisa/icml2007data/",),
        (
            Download(
                "mnist_rotation_new.zip",
                "mnist_rotation_new.zip",
                "0f9a947ff3d30e95cd685462cbf3b847",
                tuple((name, f"mnist_rotation_new/{name}") for name in _ROTATED),
            ),
        ),
    ),
}

# Of the unpacked files: packing them again changes the checksums above, not these.
CONTENT_MD5: Mapping[str, Mapping[str, str]] = {
    "mnist": {
        "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
        "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
        "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
        "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
    },
    "fashion_mnist": {
        "train-images-idx3-ubyte": "f4a8712d7a061bf5bd6d2ca38dc4d50a",
        "train-labels-idx1-ubyte": "9018921c3c673c538a1fc5bad174d6f9",
        "t10k-images-idx3-ubyte": "8181f5470baa50b63fa0f6fddb340f0a",
        "t10k-labels-idx1-ubyte": "15d484375f8d13e6eb1aabb0c3f46965",
    },
}
