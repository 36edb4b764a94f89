"""Sign-language MNIST: hands that show the letters of American Sign Language, as tables of numbers."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from aen.data.files import damaged
from aen.data.part import Part
from aen.data.source import file_source, layouts_in
from aen.data.text_table import TABLE_SIDE, read_csv

# The letters A to Y are numbered; J and Z are movements and have no images.
_LETTER_J = 9
_ADDRESS = "https://www.kaggle.com/datasets/datamunge/sign-language-mnist"


def read_sign_language(paths: Sequence[Path]) -> list[Part]:
    """Read sign-language MNIST: the training and the test table. Classes are A to Y without J, numbered 0 to 23."""
    parts = []
    for path in paths:
        table = read_csv(path)
        labels, pixels = table[:, 0], table[:, 1:]
        if pixels.size and not 0 <= pixels.min() <= pixels.max() <= 255:  # noqa: PLR2004
            raise damaged(path, "it has a pixel outside 0 to 255")
        if (labels == _LETTER_J).any():
            raise damaged(path, f"it has the label {_LETTER_J} (J), which has no images in this data set")
        images = pixels.astype(np.uint8).reshape(-1, 1, TABLE_SIDE, TABLE_SIDE)
        parts.append(Part(images, labels - (labels > _LETTER_J), path, path))
    return parts


SOURCES = {
    "asl": file_source(
        "asl",
        layouts_in(
            ["sign_mnist", "asl", "sign-language-mnist", "."],
            ["sign_mnist_train.csv", "sign_mnist_test.csv"],
            read_sign_language,
        ),
        side=28,
        classes=24,
        images=(27_455, 7_172),
        how_to_get=f"Get it from {_ADDRESS} (needs an account).",
    )
}
