"""Signals: the sign as a permutation of cells."""

import torch
from torch import Tensor

from aen._typing import Float


def lift_sign(images: Float[Tensor, "n channels rows columns"]) -> Float[Tensor, "n channels lifted columns"]:
    """Return the images with their negatives below them, ``[n, channels, 2 * rows, columns]``.

    Changing the sign of a signal x swaps the two halves of the rows of (x, -x). So ``sign``, the generator ``swap_tb``,
    can be built into a network like any other transformation.
    """
    return torch.cat([images, -images], dim=2)
