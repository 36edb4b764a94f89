"""Galaxy10 DECaLS: images of galaxies and their classes in one HDF5 file, read piece by piece."""

import functools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from aen.data.files import MAX_BYTES, damaged, unreadable
from aen.data.image_cache import Bytes, cached_images
from aen.data.part import Part, check_labels
from aen.data.source import Download, Recipe, Source, file_source, layouts_in, made_from
from aen.errors import DataError

if TYPE_CHECKING:
    import h5py

FILE = "Galaxy10_DECals.h5"
CLASSES = 10
SIDE = 256
_IMAGES, _LABELS = "images", "ans"
# Bytes read at once, about; and images read at once, at most.
_PIECE, _MOST = 2**28, 4096


def read_galaxy10(paths: Sequence[Path], *, name: str, side: int) -> list[Part]:
    """Read Galaxy10 DECaLS.

    Args:
        paths: the file.
        name: of the data set at this size.
        side: of the images: 256, or a divisor of it, to which they are scaled down by taking means of squares.

    Raises:
        DataError: not the published format, or damaged.
    """
    (path,) = paths
    with _arrays(path) as (images, ans):
        labels: npt.NDArray[Any] = ans[:]
        n = len(images)
    check_labels(labels, n, CLASSES, images_file=path, labels_file=path)  # before the images are decoded

    def decode() -> Iterator[Bytes]:
        with _arrays(path) as (images, _):
            step = _step(images)
            for start in range(0, n, step):
                yield np.moveaxis(_shrunk(images[start : start + step], side), 3, 1)

    return [Part(cached_images(name, [path], (n, 3, side, side), decode, decoder="means"), labels, path, path)]


@contextmanager
def _arrays(path: Path) -> Iterator[tuple["h5py.Dataset", "h5py.Dataset"]]:
    """Open the images and the labels; every fault in reading them becomes a `DataError`."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            images, labels = _array(path, file, _IMAGES), _array(path, file, _LABELS)
            _check(path, images, labels)
            yield images, labels
    except DataError:
        raise
    except Exception as error:  # damaged bytes make HDF5 fail in many ways
        if isinstance(error, OSError) and error.errno is not None:
            raise unreadable(path, error) from error
        raise damaged(path, f"it is not an HDF5 file that can be read ({type(error).__name__}: {error})") from error


def _array(path: Path, file: "h5py.File", name: str) -> "h5py.Dataset":
    import h5py

    held = list(file)
    if name not in held:
        raise damaged(path, f"it has no {name!r}; it holds {', '.join(map(repr, held[:10])) or 'nothing'}")
    # HDF5 can refer to an array in another file, anywhere.
    if not isinstance(file.get(name, getlink=True), h5py.HardLink):
        raise damaged(path, f"{name!r} is a link, which aen does not follow")
    array = file[name]
    if not isinstance(array, h5py.Dataset):
        raise damaged(path, f"{name!r} is not an array")
    if array.external or array.is_virtual:
        raise damaged(path, f"{name!r} is stored in another file, which aen does not open")
    return array


def _check(path: Path, images: "h5py.Dataset", labels: "h5py.Dataset") -> None:
    if images.shape[1:] != (SIDE, SIDE, 3) or images.dtype != np.uint8:
        raise damaged(
            path, f"images has the shape {list(images.shape)} of {images.dtype}, not [n, 256, 256, 3] of uint8"
        )
    if images.size > MAX_BYTES:
        raise damaged(path, "images unpacks to more than 4 GiB")
    if labels.ndim != 1 or labels.dtype.kind not in "ui":
        raise damaged(path, f"ans has the shape {list(labels.shape)} of {labels.dtype}, not [n] of whole numbers")


def _step(images: "h5py.Dataset") -> int:
    """Return how many images to read at once: whole blocks, as they are packed, so that none is unpacked twice."""
    block: int = images.chunks[0] if images.chunks else 1
    return max(1, _PIECE // (SIDE * SIDE * 3) // block) * block if block <= _MOST else _MOST


def _shrunk(images: Bytes, side: int) -> Bytes:
    factor = SIDE // side
    if factor == 1:
        return images
    # Whole numbers, rounded to the nearest, so that every machine gives the same bytes.
    sums = np.full((len(images), side, side, 3), factor**2 // 2, np.uint32)
    for row in range(factor):
        for column in range(factor):
            sums += images[:, row::factor, column::factor]
    return (sums // factor**2).astype(np.uint8)


def _galaxy10(name: str, side: int) -> Source:
    read = functools.partial(read_galaxy10, name=name, side=side)
    return file_source(
        "galaxy10",
        layouts_in([".", "Galaxy10", "galaxy10"], [FILE], read, packed=False),
        side=side,
        classes=CLASSES,
        images=(17_736,),
        channels=3,
        recipe=Recipe(
            ("https://zenodo.org/records/10845026/files/", "https://www.astro.utoronto.ca/~hleung/shared/Galaxy10/"),
            (Download(FILE, FILE, "19aefc477c41bb7f77ff07599a6b82a038dc042f889a111b0d4d98bb755c1571"),),
        ),
    )


SOURCES = {
    "galaxy10": _galaxy10("galaxy10", SIDE),
    "galaxy10-64": made_from("galaxy10", _galaxy10("galaxy10-64", 64)),
}
