"""The IDX format and what the data sets published in it (MNIST and its relatives) have in common."""

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from aen.data.files import damaged, read_file
from aen.data.part import Part
from aen.data.source import Download, Recipe, Source, file_source, layouts_in

_IDX_UNSIGNED_BYTES = 8


def read_idx(path: Path, dimensions: int) -> npt.NDArray[np.uint8]:
    """Return the array of an IDX file of unsigned bytes, packed by gzip or not.

    Raises:
        DataError: another format, or more or fewer bytes than its header says.
    """
    content = read_file(path)
    expected = struct.pack(">BBBB", 0, 0, _IDX_UNSIGNED_BYTES, dimensions)
    if content[:4] != expected:
        raise damaged(
            path, f"it begins with 0x{content[:4].hex()}, not 0x{expected.hex()} (IDX, {dimensions} dimensions, bytes)"
        )
    start = 4 + 4 * dimensions
    if len(content) < start:
        raise damaged(path, "the IDX file is truncated in its header")
    shape = struct.unpack(f">{dimensions}I", content[4:start])
    size = 1
    for length in shape:
        size *= length
    if len(content) - start != size:
        raise damaged(
            path, f"the IDX file has {len(content) - start:,} bytes after its header, which announces {size:,}"
        )
    try:
        return np.frombuffer(content, np.uint8, offset=start).reshape(shape)
    except ValueError as error:  # of no images that are too large
        raise damaged(path, f"the IDX file announces the shape {list(shape)}") from error


def read_idx_parts(paths: Sequence[Path], *, transposed: bool = False, first_label: int = 0) -> list[Part]:
    """Read training images, training labels, test images and test labels in IDX format.

    Args:
        paths: the four files.
        transposed: the files hold columns first (EMNIST); it is undone.
        first_label: the number of the first class in the file.
    """
    parts = []
    for images_file, labels_file in (paths[:2], paths[2:]):
        images = read_idx(images_file, 3)[:, None]
        labels = read_idx(labels_file, 1).astype(np.int64) - first_label
        parts.append(Part(images.swapaxes(2, 3) if transposed else images, labels, images_file, labels_file))
    return parts


def idx_files(train: str, test: str) -> list[str]:
    """Return the names of the four files, in the order in which `read_idx_parts` takes them."""
    return [f"{part}-{kind}-ubyte" for part in (train, test) for kind in ("images-idx3", "labels-idx1")]


def mnist_like(
    name: str,
    folders: Sequence[str],
    mirrors: tuple[str, ...],
    checksums: Sequence[str],
    content_md5: Mapping[str, str] | None = None,
) -> Source:
    """Return a source of the form of MNIST: 60,000 + 10,000 grey images of 28x28 in ten classes.

    Args:
        name: of the data set.
        folders: where its files may lie, the first below ``FOLDER/raw``, where torchvision puts them and where they
            are downloaded to. The file names are the same for all of these data sets, so each needs its own folder.
        mirrors: addresses of folders that hold the files.
        checksums: the md5 of the four files as published, in the order of `idx_files`.
        content_md5: see `Source`.
    """
    files = idx_files("train", "t10k")
    downloads = tuple(
        Download(f"{file}.gz", f"{folders[0]}/{file}.gz", md5) for file, md5 in zip(files, checksums, strict=True)
    )
    return file_source(
        name,
        layouts_in(folders, files, read_idx_parts),
        side=28,
        classes=10,
        images=(60_000, 10_000),
        recipe=Recipe(mirrors, downloads),
        content_md5=content_md5,
    )
