"""Digits: scikit-learn's 1,797 handwritten digits, 8x8 in 17 grey levels; embedded, so there is nothing to download."""

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from aen.data.source import Source

if TYPE_CHECKING:
    from aen.data.pool import Pool


def _load() -> "Pool":
    import torch  # it takes seconds

    from aen.data.pool import Pool  # it imports torch

    # The file is read directly: importing sklearn.datasets takes two seconds in every process.
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


SOURCES = {"digits": Source(_load, side=8, classes=10, images=(1_797,), origin="scikit-learn")}
