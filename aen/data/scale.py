"""Compares the pixels of a data set's parts: they must have one type and one scale."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

# Images of a part whose pixels are compared, about.
_SAMPLE = 300
# Parts differ in scale if both their largest and their mean pixels do so by this factor. Parts of one data set differ
# by less; 0 to 1 beside 0 to 16 or 0 to 255 by more.
_FACTOR = 8.0
# Parts differ in sign if one has no negative pixel and this share of the other's are negative: -1 to 1 beside 0 to 1.
_NEGATIVE = 0.05

Images = npt.NDArray[np.uint8] | npt.NDArray[np.floating]


def scale_mismatch(parts: Sequence[tuple[str, Images]]) -> str | None:
    """Return in which way the first two parts that differ do so, with both ranges; None if all are alike.

    Args:
        parts: name and images of each part; finite pixels, at least one image.
    """
    (first, reference), *others = parts
    for name, images in others:
        why = _difference(reference, images)
        if why is not None:
            return f"{first} is {_described(reference)}, but {name} is {_described(images)}: {why}"
    return None


def _difference(one: Images, other: Images) -> str | None:
    if one.dtype.kind != other.dtype.kind:
        return "they differ in type"
    if _constant(one) != _constant(other):
        return "one of them has pixels of one value only"
    if any((_sample(a) < 0).mean() > _NEGATIVE and b.min() >= 0 for a, b in ((one, other), (other, one))):
        return "they differ in scale"
    largest, mean = zip(*map(_magnitudes, (one, other)), strict=True)
    if min(max(pair) / max(min(pair), 1e-300) for pair in (largest, mean)) > _FACTOR:
        return "they differ in scale"
    return None


def _constant(images: Images) -> bool:
    # The sample first, which is quick.
    return bool(np.ptp(_sample(images)) == 0 and images.min() == images.max())


def _magnitudes(images: Images) -> tuple[float, float]:
    """Return the largest and the mean absolute value."""
    pixels = np.abs(_sample(images).astype(np.float64))
    return float(pixels.max()), float(pixels.mean())


def _sample(images: Images) -> Images:
    return images[:: max(1, len(images) // _SAMPLE)]


def _described(images: Images) -> str:
    kind = "uint8" if images.dtype == np.uint8 else "floating point"
    return f"{kind} from {images.min():.4g} to {images.max():.4g}"
