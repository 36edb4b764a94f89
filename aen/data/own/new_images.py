"""New images for a trained network, as arrays: prepared as those were that it was trained on."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from aen._typing import Float
from aen.data.own.npz import as_images
from aen.data.own.resample import apply_rules
from aen.data.own.rules import Rules
from aen.data.preprocessing import Preprocessing
from aen.data.signals import lift_sign
from aen.errors import DataError

if TYPE_CHECKING:
    from aen.data.spec import DataSpec

# Pixels are of another scale if their root mean square is larger by this factor, and one is so many deviations off.
_FACTOR = 8.0
_DEVIATIONS = 30.0


def network_input(
    images: npt.NDArray[Any],
    data: "DataSpec",
    shape: Sequence[int],
    preprocessing: Preprocessing,
    where: str,
) -> Float[Tensor, "n channels rows columns"]:
    """Return what a network takes, from arrays as they were given for its training.

    The rules of its data hold here, too: 16 bits become 0 to 255, sizes and colours are changed, signs are lifted.

    Args:
        images: of shape ``[n, rows, columns]``, ``[n, rows, columns, channels]``, ``[n, length]`` or
            ``[n, channels, length]``.
        data: which the network was trained on.
        shape: of an image as the network takes it: channels, rows, columns.
        preprocessing: of the network.
        where: name of the array, for messages.

    Raises:
        DataError: images of another type, scale or shape than those of the training.
    """
    whole = preprocessing.scale != 1
    if images.dtype != np.uint8 if whole else images.dtype != np.uint16 and images.dtype.kind != "f":
        expected = "uint8 from 0 to 255" if whole else "floating-point numbers, as in training"
        raise DataError(f"{where} is of {images.dtype}, but the network takes {expected}.")
    stored, signals = as_images(images, where)
    rules = data.rules or Rules()
    signals = signals and rules.size is None and rules.channels is None  # which are for images
    if data.lift_sign and not signals:
        raise DataError(
            f"{where} has the shape {list(images.shape)}, but the network was trained on signals with data.lift_sign; "
            "give signals, [n, length] or [n, channels, length], as they were given for the training."
        )
    if not whole:
        check_scale(stored, preprocessing, where)
    stored, _ = apply_rules(stored, rules, where, signals=signals)
    found = torch.from_numpy(stored)
    if data.lift_sign:
        found = lift_sign(found)
    if list(found.shape[1:]) != list(shape):
        channels, rows, columns = shape
        parts = 2 if data.lift_sign else 1  # the negated signal is appended here
        raise DataError(
            f"{where} has images of {_size(*stored.shape[1:])} (rows x columns x channels), but the network takes "
            f"{_size(channels, rows // parts, columns)}."
        )
    return preprocessing.apply(found)


def check_scale(images: npt.NDArray[Any], preprocessing: Preprocessing, where: str) -> None:
    """Refuse images whose pixels are of another scale, such as 0 to 255 where the training's were 0 to 1.

    A single image may be much brighter or darker than the mean of the training, so only what is far off is refused.

    Args:
        images: floating-point pixels, as they are stored.
        preprocessing: of the network.
        where: name of the images, for messages.

    Raises:
        DataError: they are.
    """
    usual = float(np.hypot(preprocessing.mean, preprocessing.deviation))
    size, largest = float(np.sqrt(np.mean(np.square(images, dtype=np.float64)))), float(np.abs(images).max())
    too_large = size > _FACTOR * usual and largest > abs(preprocessing.mean) + _DEVIATIONS * preprocessing.deviation
    too_small = 0 < size < usual / _DEVIATIONS and largest < usual / _DEVIATIONS
    if too_large or too_small:
        raise DataError(
            f"{where} has pixels from {images.min():.4g} to {images.max():.4g}, but those of the training have mean "
            f"{preprocessing.mean:.4g} and deviation {preprocessing.deviation:.4g}; give images of the same scale."
        )


def _size(channels: int, rows: int, columns: int) -> str:
    return f"{rows}x{columns}x{channels}"
