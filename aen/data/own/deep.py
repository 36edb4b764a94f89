"""Images with 16 bits in several channels: Pillow keeps 8 bits, so that they are decoded twice to read the others."""

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from PIL import Image as PILImage

MOST = 65_535
_WITH_ALPHA = (2, 4)  # channels
_TIFF_BITS, _TIFF_PLANAR = 258, 284
# Of a pixel's bytes, "16B" keeps the first of each two, "16L" the second, which is the higher one in that byte order.
_OTHER = {"16B": "16L", "16L": "16B"}
_NATIVE = "16L" if sys.byteorder == "little" else "16B"
_GREY_AND_ALPHA = "LA;16B"


def raw_mode(image: "PILImage.Image") -> str:
    """Return the raw mode in which Pillow will decode an image that is open, such as ``RGB;16B``, or nothing."""
    tiles: Any = getattr(image, "tile", ())
    args = tiles[0][3] if tiles else ""
    args = args[0] if isinstance(args, tuple) and args else args
    return args if isinstance(args, str) else ""


def bits_of(image: "PILImage.Image") -> int:
    """Return the bits of each channel of an image that is open, if it is a PNG or a TIFF; else 8."""
    if image.format == "TIFF":
        tags: Any = image.tag_v2  # type: ignore[attr-defined]  # of its own class
        return int(max(tags.get(_TIFF_BITS, (1,))))
    return 16 if image.format == "PNG" and ";16" in raw_mode(image) else 8  # of a BMP it would be those of a pixel


def keeps_fractions(image: "PILImage.Image") -> bool:
    """Return whether `deep_pixels` can read an image that is open: one of several channels with 16 bits."""
    name, _, bits = raw_mode(image).partition(";")
    if image.format == "TIFF" and image.tag_v2.get(_TIFF_PLANAR, 1) != 1:  # type: ignore[attr-defined]
        return False
    if name == "LA":
        return bits == "16B"
    return name in {"RGB", "RGBA", "RGBX"} and bits in {"16B", "16L", "16N"}


def channels_apart(image: "PILImage.Image") -> bool:
    """Return whether an image that is open has its 16-bit channels one after the other, which Pillow misreads."""
    return image.format == "TIFF" and bits_of(image) == 16 and raw_mode(image) in {"R", "C", "Y"}  # noqa: PLR2004


def deep_pixels(
    opened: Callable[[], "PILImage.Image"], upright: Callable[["PILImage.Image"], "PILImage.Image"]
) -> tuple[npt.NDArray[np.float32], bool]:
    """Return the pixels of an image, 0 to 255 with fractions, laid on white, and whether any is transparent.

    Args:
        opened: opens the image, which `keeps_fractions`.
        upright: applies the orientation to it.

    Returns:
        shape ``[rows, columns, channels]``, of one channel or three.
    """

    def decoded(raw: str) -> npt.NDArray[np.uint16]:
        with opened() as image:
            _set_raw_mode(image, raw)
            image.load()
            return np.asarray(upright(image)).astype(np.uint16)

    with opened() as image:
        raw, transparent = raw_mode(image), image.info.get("transparency")
    if raw == _GREY_AND_ALPHA:
        pairs = decoded("RGBA")  # four bytes as they are
        values = pairs[..., 0::2] << 8 | pairs[..., 1::2]
    else:
        name, _, bits = raw.partition(";")
        high = bits.replace("16N", _NATIVE)
        values = decoded(f"{name};{high}") << 8 | decoded(f"{name};{_OTHER[high]}")
        if name == "RGBX":
            values = values[..., :3]  # older versions of Pillow keep the channel that is none
    colours = values.astype(np.float64)
    alpha = None
    if values.shape[2] in _WITH_ALPHA:
        colours, alpha = colours[..., :-1], colours[..., -1:] / MOST
    elif transparent is not None:
        alpha = (values != np.asarray(transparent)).any(axis=2, keepdims=True).astype(np.float64)
    seen_through = alpha is not None and bool(alpha.min() < 1)
    if alpha is not None and seen_through:
        colours = MOST - (MOST - colours) * alpha
    return (colours / 257).astype(np.float32), seen_through


def _set_raw_mode(image: "PILImage.Image", raw: str) -> None:
    """Let an image that is open be decoded in another raw mode of the same length."""
    tiles: Any = image.tile  # type: ignore[attr-defined]  # of image files
    changed = []
    for tile in tiles:
        args = (raw, *tile[3][1:]) if isinstance(tile[3], tuple) else raw
        # A named tuple since Pillow 11.
        changed.append(tile._replace(args=args) if hasattr(tile, "_replace") else (*tile[:3], args))
    image.tile = changed  # type: ignore[attr-defined]
