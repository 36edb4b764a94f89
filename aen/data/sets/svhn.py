"""SVHN: house numbers photographed in the street, cropped to single digits, as Matlab files."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from aen.data.files import damaged, read_file
from aen.data.matlab import read_mat
from aen.data.part import Part
from aen.data.source import Download, Recipe, file_source, layouts_in

_SHAPE = (32, 32, 3)
_FILES = ("train_32x32.mat", "test_32x32.mat")
_MD5 = ("e26dedcc434d2e4c54c9b2d4a06d8373", "eb5a983be6a315427106f1b164d9cef3")


def read_svhn(paths: Sequence[Path]) -> list[Part]:
    """Read SVHN's cropped digits: the training and the test file, Matlab's format. The label 10 means 0."""
    return [_svhn_part(path) for path in paths]


def _svhn_part(path: Path) -> Part:
    try:
        values = read_mat(read_file(path), ("X", "y"))
    except ValueError as error:
        raise damaged(path, f"it is not a Matlab file that can be read: {error}") from error
    for name in ("X", "y"):
        if name not in values or values[name].dtype.kind not in "ui":
            raise damaged(path, f"it has no numbers named {name!r}")
    images, labels = values["X"], values["y"].reshape(-1).astype(np.int64)
    if images.ndim != 4 or images.shape[:3] != _SHAPE or images.dtype != np.uint8:  # noqa: PLR2004
        raise damaged(path, f"X has the shape {list(images.shape)} of {images.dtype}, not [32, 32, 3, n] of uint8")
    if labels.size and not 1 <= labels.min() <= labels.max() <= 10:  # noqa: PLR2004
        raise damaged(path, "y has a label outside 1 to 10")
    return Part(np.ascontiguousarray(images.transpose(3, 2, 0, 1)), labels % 10, path, path)


SOURCES = {
    "svhn": file_source(
        "svhn",
        layouts_in([".", "SVHN", "svhn"], _FILES, read_svhn),
        side=32,
        classes=10,
        images=(73_257, 26_032),
        channels=3,
        recipe=Recipe(
            ("http://ufldl.stanford.edu/housenumbers/",),
            tuple(Download(file, file, md5) for file, md5 in zip(_FILES, _MD5, strict=True)),
        ),
    )
}
