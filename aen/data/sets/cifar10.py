"""CIFAR-10: colour photographs of ten kinds of things, in the published binary version, which needs no unpickling."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from aen.data.archives import read_members
from aen.data.files import damaged, read_file
from aen.data.find import Layout
from aen.data.npz import read_npz
from aen.data.part import Part
from aen.data.source import Download, Recipe, file_source, layouts_in

_RECORD = 1 + 3 * 32 * 32
_FOLDER, _ARCHIVE = "cifar-10-batches-bin", "cifar-10-binary.tar.gz"
CIFAR10_FILES = (*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin")


def read_cifar10(paths: Sequence[Path]) -> list[Part]:
    """Read the binary version of CIFAR-10: five training batches, then the test batch."""
    contents = [(path, read_file(path)) for path in paths]
    return _cifar10_parts(contents)


def read_cifar10_archive(paths: Sequence[Path]) -> list[Part]:
    """Read the binary version of CIFAR-10 from its archive, without unpacking it to disk."""
    (path,) = paths
    members = read_members(path, [f"{_FOLDER}/{name}" for name in CIFAR10_FILES])
    return _cifar10_parts([(path / name, content) for name, content in members])


def _cifar10_parts(contents: Sequence[tuple[Path, bytes]]) -> list[Part]:
    records = []
    for path, content in contents:
        if len(content) == 0 or len(content) % _RECORD:
            raise damaged(path, f"it has {len(content):,} bytes, not a multiple of {_RECORD:,} (CIFAR-10 binary)")
        batch = np.frombuffer(content, np.uint8).reshape(-1, _RECORD)
        if batch[:, 0].max() > 9:  # noqa: PLR2004
            raise damaged(path, f"it has the label {batch[:, 0].max()}, outside the 10 classes 0 to 9")
        records.append(batch)
    *train, test = records
    folder = contents[0][0].parent
    return [
        Part(batch[:, 1:].reshape(-1, 3, 32, 32), batch[:, 0], file, file)
        for batch, file in ((np.concatenate(train), folder), (test, contents[-1][0]))
    ]


_MEMBERS = tuple((f"{_FOLDER}/{file}", f"{_FOLDER}/{file}") for file in CIFAR10_FILES)
SOURCES = {
    "cifar10": file_source(
        "cifar10",
        [
            *layouts_in([_FOLDER, f"CIFAR10/{_FOLDER}"], CIFAR10_FILES, read_cifar10),
            *layouts_in([".", "CIFAR10"], [_ARCHIVE], read_cifar10_archive),
            Layout(
                ("cifar10_subset.npz",),
                lambda paths: read_npz(paths[0]),
                "npz, re-encoded subset: for development, never for a published figure",
            ),
        ],
        side=32,
        classes=10,
        images=(50_000, 10_000),
        channels=3,
        recipe=Recipe(
            ("https://www.cs.toronto.edu/~kriz/",),
            (Download(_ARCHIVE, _ARCHIVE, "c32a1d4ab5d03f1284b67883e8d13530", _MEMBERS),),
        ),
    )
}
