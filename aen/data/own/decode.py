"""Decodes an image file into an array of one of a few kinds, and scales it to a size."""

import io
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from aen.data.own import deep

if TYPE_CHECKING:
    from PIL import Image as PILImage

# Decoders that start no programs and open no further files. JPEG opens files of the format MPO, too.
_FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "WEBP", "GIF", "DIB")
# Larger images are taken for decompression bombs.
BOMB_PIXELS = 90_000_000
_GREY = {"1", "L", "LA", "La", "I;16", "I;16B", "I;16L", "I;16N", "I", "F"}
_DEEP = {"I;16", "I;16B", "I;16L", "I;16N", "I"}
_ORIENTATION, _QUARTER_TURNED = 0x0112, (5, 6, 7, 8)
_TIFF_COLUMNS, _TIFF_ROWS = 256, 257
_PNG, _PNG_GREY = b"\x89PNG\r\n\x1a\n", (0, 4)
_LOW = {"1": 1, "L;2": 3, "L;4": 15}  # the largest value of a pixel
_LUMA = np.array([0.299, 0.587, 0.114])  # as Pillow converts colour to grey
_SAME_ASPECT = 0.02

# What is said of images that are not as they will be used; see `NOTES`.
ALPHA, ANIMATED, DEEP, SHALLOW = "alpha", "animated", "deep", "shallow"
CROPPED, RESIZED, CMYK = "cropped", "resized", "cmyk"
NOTES = {
    ALPHA: "have transparent pixels; they are laid on white",
    ANIMATED: "have several frames; the first is used",
    DEEP: "have 12 or 16 bits per channel; they are scaled to 0 to 255, with fractions",
    SHALLOW: "have 16 bits per channel in a form of which 8 bits are read",
    CMYK: "are in CMYK; they are converted to RGB without a colour profile",
    CROPPED: "have another aspect ratio; the middle of each is used",
    RESIZED: "have another size; they are resized",
}


class BrokenImageError(Exception):
    """An image that cannot be read; the message says why, in a few words."""


@contextmanager
def quiet_pillow() -> Iterator[None]:
    """Silence Pillow's warnings, of odd metadata and of large images, which are checked here; not for threads."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def look(content: bytes) -> tuple[int, int, bool, bool]:
    """Return rows, columns, whether the image is stored as grey, and whether with 16 bits that are read, undecoded.

    Raises:
        BrokenImageError: it is no image that can be read.
    """
    if content[:8] == _PNG and content[12:16] == b"IHDR" and b"eXIf" not in content:  # ten times faster than Pillow
        columns, rows, depth, kind = struct.unpack(">IIBB", content[16:26].ljust(10, b"\0"))
        if 0 < columns * rows <= BOMB_PIXELS:
            return rows, columns, kind in _PNG_GREY, depth == 16  # noqa: PLR2004 - bits
    try:
        with _open(content) as image:
            grey = image.mode in _GREY or deep.raw_mode(image).startswith("LA;")
            fractions = image.mode in _DEEP or deep.keeps_fractions(image)
            if image.format == "PNG" and "exif" not in image.info:
                image.load()  # it may stand behind the pixels
            columns, rows = _stored_size(image)
            if _exif(image).get(_ORIENTATION, 1) in _QUARTER_TURNED:
                rows, columns = columns, rows
            return rows, columns, grey, fractions
    except BrokenImageError:
        raise
    except Exception as error:  # damaged bytes make Pillow fail in many ways
        raise BrokenImageError(_reason(content, error)) from error


def decode(content: bytes, size: tuple[int, int], *, colour: bool) -> tuple[npt.NDArray[Any], set[str]]:
    """Return an image as an array, ``[rows, columns]`` or ``[rows, columns, 3]``, and what had to be done to it.

    It is uint8, or float32 from 0 to 255 if it has 12 or 16 bits per channel; grey ones of those have no third axis.

    Args:
        content: of the file.
        size: rows and columns to return.
        colour: whether to return three channels.

    Raises:
        BrokenImageError: it cannot be read.
    """
    notes: set[str] = set()
    try:
        with _open(content) as image:
            if getattr(image, "n_frames", 1) > 1 and image.format != "MPO":
                notes.add(ANIMATED)
            if deep.keeps_fractions(image):
                return _decoded_deep(content, size, notes, colour=colour), notes
            _check_depth(image, notes)
            _scale_transparent(image)
            image.load()
            return _scaled(_upright(image), size, notes, colour=colour), notes
    except BrokenImageError:
        raise
    except Exception as error:
        raise BrokenImageError(_reason(content, error)) from error


def _check_depth(image: "PILImage.Image", notes: set[str]) -> None:
    if deep.channels_apart(image):
        raise BrokenImageError("its channels of 16 bits are stored apart; save it with interleaved channels")
    if image.mode not in _DEEP and deep.bits_of(image) == 16:  # noqa: PLR2004
        notes.add(SHALLOW)


def _scale_transparent(image: "PILImage.Image") -> None:
    """Bring the transparent value of a grey PNG with few bits to the scale of its pixels, which Pillow may not do."""
    most = _LOW.get(deep.raw_mode(image), 0)
    value = image.info.get("transparency")
    if most and isinstance(value, int) and value <= most:
        image.info["transparency"] = value * (255 // most)


def _decoded_deep(content: bytes, size: tuple[int, int], notes: set[str], *, colour: bool) -> npt.NDArray[Any]:
    from PIL import Image  # it takes a tenth of a second

    notes.add(DEEP)
    pixels, transparent = deep.deep_pixels(lambda: _open(content), _upright)
    if transparent:
        notes.add(ALPHA)
    if not colour and pixels.shape[2] > 1:
        pixels = (pixels.astype(np.float64) @ _LUMA)[..., None].astype(np.float32)
    channels = [Image.fromarray(np.ascontiguousarray(channel)) for channel in np.moveaxis(pixels, 2, 0)]
    fitted = [np.asarray(_fitted(channel, size, notes)) for channel in channels]
    return fitted[0] if len(fitted) == 1 else np.stack(fitted, axis=2)


def _open(content: bytes) -> "PILImage.Image":
    from PIL import Image  # it takes a tenth of a second

    image: PILImage.Image = Image.open(io.BytesIO(content), formats=_FORMATS)
    columns, rows = image.size
    if columns * rows > BOMB_PIXELS:
        raise BrokenImageError(
            f"its {columns}x{rows} pixels are more than {BOMB_PIXELS:,}, as in a decompression bomb; make it smaller"
        )
    return image


def _stored_size(image: "PILImage.Image") -> tuple[int, int]:
    """Return columns and rows as they are stored; newer versions of Pillow say of a TIFF what they are when upright."""
    if image.format == "TIFF":
        tags: Any = image.tag_v2  # type: ignore[attr-defined]  # of its own class
        return int(tags[_TIFF_COLUMNS]), int(tags[_TIFF_ROWS])
    return image.size


def _exif(image: "PILImage.Image") -> Any:  # noqa: ANN401 - a mapping
    return image.getexif() if image.format in {"JPEG", "MPO", "TIFF", "WEBP"} or "exif" in image.info else {}


def _upright(image: "PILImage.Image") -> "PILImage.Image":
    """Return an image that was loaded with its orientation applied. Pillow turns a TIFF when it loads it."""
    from PIL import ImageOps  # as above

    if image.format == "TIFF" or _exif(image).get(_ORIENTATION, 1) == 1:
        return image
    return ImageOps.exif_transpose(image)


def _reason(content: bytes, error: Exception) -> str:
    if not content:
        return "it is empty"
    text = " ".join(str(error).split())
    if type(error).__name__ == "UnidentifiedImageError":
        return "it is no image of a known format"
    if type(error).__name__ == "DecompressionBombError":
        return "it has too many pixels, as in a decompression bomb; make it smaller"
    return text.rstrip(".")[:120] or type(error).__name__


def _scaled(image: "PILImage.Image", size: tuple[int, int], notes: set[str], *, colour: bool) -> npt.NDArray[Any]:
    found = _fitted(_plain(image, notes, colour=colour), size, notes)
    if found.mode == "F":
        return np.asarray(found)
    pixels = np.frombuffer(found.tobytes(), np.uint8)  # in half of the time of `np.asarray`
    return pixels.reshape(*size, 3) if colour else pixels.reshape(size)


def _fitted(image: "PILImage.Image", size: tuple[int, int], notes: set[str]) -> "PILImage.Image":
    """Return the image at a size, or the middle of it that has the size's aspect ratio."""
    from PIL import Image  # as above

    rows, columns = size
    if image.size != (columns, rows):
        box = _box(image.size, size)
        notes.add(RESIZED if box is None else CROPPED)
        width, height = image.size if box is None else (box[2] - box[0], box[3] - box[1])
        # The mean of the area that a pixel covers; where pixels are fewer than asked for, linear between them.
        shrinks = width >= columns and height >= rows
        method = Image.Resampling.BOX if shrinks else Image.Resampling.BILINEAR
        image = image.resize((columns, rows), method, box=box)
    return image


def _box(have: tuple[int, int], want: tuple[int, int]) -> tuple[float, float, float, float] | None:
    """Return the middle of the image that has the aspect ratio wanted; None: the whole image has it."""
    width, height = have
    rows, columns = want
    ratio = (width / height) / (columns / rows)
    if abs(ratio - 1) <= _SAME_ASPECT:
        return None
    inner_width, inner_height = (width / ratio, float(height)) if ratio > 1 else (float(width), height * ratio)
    left, top = (width - inner_width) / 2, (height - inner_height) / 2
    return (left, top, left + inner_width, top + inner_height)


def resized(images: npt.NDArray[Any], size: tuple[int, int]) -> tuple[npt.NDArray[Any], bool]:
    """Return arrays, shape ``[n, channels, rows, columns]``, at another size, and whether they were cropped."""
    from PIL import Image  # as above

    found = np.empty((*images.shape[:2], *size), images.dtype)
    notes: set[str] = set()
    for place, channels in enumerate(images):
        for number, channel in enumerate(channels):
            image = Image.fromarray(np.ascontiguousarray(channel))
            found[place, number] = np.asarray(_fitted(image, size, notes))
    return found, CROPPED in notes


def _plain(image: "PILImage.Image", notes: set[str], *, colour: bool) -> "PILImage.Image":
    """Return an image of mode L, RGB or, of 16 bits, F."""
    from PIL import Image  # as above

    if image.mode == "F":
        raise BrokenImageError("its pixels are floating-point numbers of no known range; save it with 8 or 16 bits")
    if image.mode in _DEEP:
        pixels = np.asarray(image)
        if pixels.min() < 0 or pixels.max() > deep.MOST:
            raise BrokenImageError("its pixels have 32 bits; save it with 8 or 16 bits")
        notes.add(DEEP)
        clear = pixels == image.info["transparency"] if "transparency" in image.info else np.zeros(1, bool)
        if clear.any():
            notes.add(ALPHA)
            pixels = np.where(clear, deep.MOST, pixels)
        most = 2**12 - 1 if deep.bits_of(image) == 12 else deep.MOST  # noqa: PLR2004 - bits
        return Image.fromarray((pixels / (most / 255)).astype(np.float32))
    if image.mode == "CMYK":
        notes.add(CMYK)
    if image.mode in {"RGBA", "LA", "PA", "RGBa", "La"} or "transparency" in image.info:
        image = image.convert("RGBA")
        if np.asarray(image.getchannel("A")).min() < 255:  # noqa: PLR2004
            notes.add(ALPHA)
            white = Image.new("RGBA", image.size, (255, 255, 255, 255))
            image = Image.alpha_composite(white, image)
    mode = "RGB" if colour else "L"
    return image if image.mode == mode else image.convert(mode)
