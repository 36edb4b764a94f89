"""Own data made up for tests: images with structure, in the kinds that aen reads."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from aen.data import find_source
from aen.data.own.rules import Rules
from aen.errors import DataError


def pictures(n, size=(12, 12), channels=1, seed=0):
    """Return smooth random images, uint8, no two of them alike."""
    draw = np.random.default_rng(seed)
    coarse = draw.integers(0, 256, (n, 6, 6, channels)).astype(np.uint8)
    found = [
        np.stack(
            [
                np.asarray(Image.fromarray(one[..., c]).resize(size[::-1], Image.Resampling.BILINEAR))
                for c in range(channels)
            ],
            axis=-1,
        )
        for one in coarse
    ]
    return np.stack(found)[..., 0] if channels == 1 else np.stack(found)


def write_class_folders(root: Path, images, labels, ending="png"):
    """Write images as class folders; return the paths."""
    paths = []
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        path = root / str(label) / f"{number:03d}.{ending}"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
        paths.append(path)
    return paths


def refused(name, match, rules=None):
    """Check that own data is refused in one line."""
    with pytest.raises(DataError, match=match) as caught:
        find_source(str(name), rules or Rules())
    assert "\n" not in str(caught.value)
