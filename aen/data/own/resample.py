"""The rules of size and colour for images that are arrays already."""

from typing import Any

import numpy as np
import numpy.typing as npt

from aen.data.own.assemble import choose_size
from aen.data.own.decode import CROPPED, NOTES, RESIZED, resized
from aen.data.own.rules import Rules
from aen.errors import DataError

_GREY_WEIGHTS = (0.299, 0.587, 0.114)


def apply_rules(
    images: npt.NDArray[Any], rules: Rules, where: str, *, signals: bool
) -> tuple[npt.NDArray[Any], list[str]]:
    """Return images of the size and the number of channels that the rules ask for, and what was done.

    Images with two or four channels lose the last one, which is their opacity only by convention; that is refused
    unless the rules say what is wanted.

    Raises:
        DataError: the rules do not fit.
    """
    if signals:
        if rules.size is not None or rules.channels is not None:
            raise DataError(
                f"{where}: data.size and data.channels are for images, and these are signals; leave them out."
            )
        return np.ascontiguousarray(images), []
    notices: list[str] = []
    channels = images.shape[1]
    if channels in {1, 3} and rules.channels is not None:
        if rules.channels == "grey" and channels == 3:  # noqa: PLR2004
            grey = np.tensordot(images.astype(np.float32), np.array(_GREY_WEIGHTS, np.float32), axes=([1], [0]))[
                :, None
            ]
            images = np.rint(grey).astype(np.uint8) if images.dtype == np.uint8 else grey
            notices.append("colour images are converted to grey (data.channels)")
        elif rules.channels == "colour" and channels == 1:
            images = np.repeat(images, 3, axis=1)
            notices.append("grey images are repeated in three channels (data.channels)")
    elif rules.channels is not None:
        raise DataError(f"{where}: images have {channels} channels; data.channels is for images with 1 or 3.")
    have = (images.shape[2], images.shape[3])
    (rows, columns), said = (have, []) if rules.size is None else choose_size([have], rules)
    if (rows, columns) != have:
        images, cropped = resized(images, (rows, columns))
        notices += [*said, f"{len(images):,} images {NOTES[CROPPED if cropped else RESIZED]}"]
    return np.ascontiguousarray(images), notices
