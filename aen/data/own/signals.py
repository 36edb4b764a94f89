"""The sign of signals as a permutation: each signal is followed by its negative, as further rows."""

from typing import Any

import numpy as np
import numpy.typing as npt

from aen.errors import DataError


def lifted(images: npt.NDArray[Any], signals: bool, where: str) -> npt.NDArray[Any]:
    """Return signals of twice as many rows: x, then -x. Negating a signal swaps the two halves of the rows.

    Raises:
        DataError: they are no signals, or have no sign.
    """
    if not signals or images.dtype.kind != "f":
        raise DataError(
            f"{where}: data.lift_sign is for signals of floating-point numbers, [n, length] or [n, channels, length]; "
            "leave it out."
        )
    return np.concatenate([images, -images], axis=2)
