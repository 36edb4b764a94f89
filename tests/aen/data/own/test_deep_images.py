"""Images with 16 bits keep their fractions, whatever their channels; files that Pillow cannot write are made here."""

import struct
import zlib

import numpy as np
import pytest

from aen.data.own.decode import ALPHA, DEEP, SHALLOW, BrokenImageError, decode, look
from aen.data.own.prepare import prepare
from aen.data.own.rules import Rules

ROWS, COLUMNS = 6, 9
CHANNELS = {0: 1, 2: 3, 4: 2, 6: 4}  # of a PNG's colour types
LUMA = np.array([0.299, 0.587, 0.114])


def values(channels, seed=0):
    return np.random.default_rng(seed).integers(0, 65_536, (ROWS, COLUMNS, channels)).astype(np.uint16)


def chunk(name, content):
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png(pixels, transparent=None, filtered=0, orientation=None):
    """A PNG with 16 bits, its rows unfiltered, or each the difference to the pixel on the left or to the row above."""
    rows, columns, channels = pixels.shape
    kind = next(kind for kind, number in CHANNELS.items() if number == channels)
    lines = pixels.astype(">u2").reshape(rows, -1).view(np.uint8).astype(int)
    before = np.zeros_like(lines)
    if filtered == 1:
        before[:, 2 * channels :] = lines[:, : -2 * channels]
    elif filtered == 2:
        before[1:] = lines[:-1]
    packed = b"".join(bytes([filtered]) + line.tobytes() for line in ((lines - before) % 256).astype(np.uint8))
    exif = struct.pack(">2sHIHHHIHHI", b"MM", 42, 8, 1, 0x0112, 3, 1, orientation or 1, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", columns, rows, 16, kind, 0, 0, 0))
        + (chunk(b"eXIf", exif) if orientation else b"")
        + (chunk(b"tRNS", struct.pack(f">{len(transparent)}H", *transparent)) if transparent else b"")
        + chunk(b"IDAT", zlib.compress(packed))
        + chunk(b"IEND", b"")
    )


def tiff(pixels, order="<", compressed=False, apart=False, extra=(), photometric=2, orientation=1, bits=16):
    """A TIFF of one strip, or one for each channel, with 16 bits per sample, or with 12, packed."""
    rows, columns, channels = pixels.shape
    parts = np.moveaxis(pixels, 2, 0) if apart else [pixels]
    strips = [part.astype(f"{order}u2").tobytes() if bits == 16 else packed_by_12(part) for part in parts]
    strips = [zlib.compress(strip) for strip in strips] if compressed else strips
    tags = [
        (256, "I", [columns]),
        (257, "I", [rows]),
        (258, "H", [bits] * channels),
        (259, "H", [8 if compressed else 1]),
        (262, "H", [photometric]),
        (273, "I", []),
        (274, "H", [orientation]),
        (277, "H", [channels]),
        (278, "I", [rows]),
        (279, "I", [len(strip) for strip in strips]),
        (284, "H", [2 if apart else 1]),
        *([(338, "H", list(extra))] if extra else []),
    ]
    start = 8 + 2 + 12 * len(tags) + 4
    ends = start + np.cumsum([0, *(len(strip) for strip in strips)])
    body, table = b"".join(strips), b""
    for tag, kind, numbers in tags:
        content = [int(end) for end in ends[:-1]] if tag == 273 else numbers
        packed = struct.pack(f"{order}{len(content)}{kind}", *content)
        if len(packed) > 4:
            body += packed
            packed = struct.pack(f"{order}I", start + len(body) - len(packed))
        table += struct.pack(f"{order}HHI", tag, {"H": 3, "I": 4}[kind], len(content)) + packed.ljust(4, b"\0")
    head = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HIH", 42, 8, len(tags))
    return head + table + struct.pack(f"{order}I", 0) + body


def packed_by_12(pixels):
    """Grey rows, each with pairs of numbers of 12 bits in three bytes, and half a pair at its end."""
    rows, columns, _ = pixels.shape
    pairs = np.pad(pixels[..., 0].astype(int), ((0, 0), (0, columns % 2))).reshape(rows, -1, 2)
    one, other = np.moveaxis(pairs, 2, 0)
    packed = np.stack([one >> 4, (one & 15) << 4 | other >> 8, other & 255], axis=2).reshape(rows, -1)
    return packed[:, : (columns * 12 + 7) // 8].astype(np.uint8).tobytes()


def on_white(pixels):
    colours, alpha = pixels[..., :-1].astype(float), pixels[..., -1:] / 65_535
    return (colours * alpha + 65_535 * (1 - alpha)) / 257


def check(content, expected, *notes, grey=False):
    assert look(content) == (*expected.shape[:2], grey, True)
    found, said = decode(content, expected.shape[:2], colour=not grey)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected[..., 0] if expected.shape[2] == 1 else expected, rtol=1e-6, atol=1e-4)
    assert said == {DEEP, *notes}


@pytest.mark.parametrize("filtered", [0, 1, 2])
def test_png_of_every_colour_type(filtered):
    grey, colour, grey_alpha, colour_alpha = values(1), values(3), values(2), values(4)
    check(png(grey, filtered=filtered), grey / 257, grey=True)
    check(png(colour, filtered=filtered), colour / 257)
    check(png(grey_alpha, filtered=filtered), on_white(grey_alpha), ALPHA, grey=True)
    check(png(colour_alpha, filtered=filtered), on_white(colour_alpha), ALPHA)


@pytest.mark.parametrize("orientation", [1, 3])
def test_grey_tiff_of_12_bits(orientation):
    pixels = values(1) >> 4
    pixels[0, :2] = [[0], [4095]]
    expected = pixels[::-1, ::-1] if orientation == 3 else pixels
    check(tiff(pixels, bits=12, photometric=1, orientation=orientation), expected / 4095 * 255, grey=True)


def test_opaque_alpha_is_no_transparency():
    pixels = values(4)
    pixels[..., 3] = 65_535
    check(png(pixels), pixels[..., :3] / 257)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_transparent_value_is_laid_on_white(channels):
    pixels = values(channels)
    expected = pixels / 257
    expected[2, 3] = 255
    pixels[2, 4] = pixels[2, 3]
    pixels[2, 4, -1] ^= 1  # the same in the upper 8 bits
    expected[2, 4] = pixels[2, 4] / 257
    check(png(pixels, pixels[2, 3].tolist()), expected, ALPHA, grey=channels == 1)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_a_transparent_value_of_few_bits(bits):
    most = 2**bits - 1
    numbers = np.arange(64).reshape(8, 8) % (most + 1)
    places = np.arange(8)[::-1] % (8 // bits) * bits
    rows = (numbers << places).reshape(8, bits, -1).sum(axis=2).astype(np.uint8)
    head = struct.pack(">IIBBBBB", 8, 8, bits, 0, 0, 0, 0)
    packed = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    chunks = ((b"IHDR", head), (b"tRNS", struct.pack(">H", 1)), (b"IDAT", packed), (b"IEND", b""))
    content = b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*each) for each in chunks)
    found, said = decode(content, (8, 8), colour=False)
    np.testing.assert_array_equal(found, np.where(numbers == 1, 255, numbers * (255 // most)))
    assert said == {ALPHA}


def test_a_transparent_value_that_no_pixel_has():
    pixels = values(1)
    check(png(pixels // 2, [65_535]), pixels // 2 / 257, grey=True)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("compressed", [False, True])
def test_tiff(order, compressed):
    colour, four = values(3), values(4)
    check(tiff(colour, order, compressed), colour / 257)
    check(tiff(four, order, compressed, extra=[2]), on_white(four), ALPHA)
    check(tiff(four, order, compressed, extra=[0]), four[..., :3] / 257)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientations(orientation):
    pixels = values(3)
    turned = pixels if orientation in {1, 3, 8, 6} else pixels[:, ::-1]
    turned = np.rot90(turned, {1: 0, 2: 0, 3: 2, 4: 2, 5: 1, 6: 3, 7: 3, 8: 1}[orientation])
    for content in (
        tiff(pixels, orientation=orientation),
        tiff(pixels, compressed=True, orientation=orientation),
        png(pixels, orientation=orientation),
    ):
        check(content, turned / 257)


def test_colour_becomes_grey():
    pixels = values(3)
    found, _ = decode(png(pixels), (ROWS, COLUMNS), colour=False)
    np.testing.assert_allclose(found, pixels / 257 @ LUMA, rtol=1e-5)
    same = np.repeat(values(1), 3, axis=2)
    np.testing.assert_array_equal(
        decode(png(same), (ROWS, COLUMNS), colour=False)[0], (same[..., 0] / 257).astype("f4")
    )


def test_another_size():
    pixels = values(3)
    found, said = decode(png(pixels.repeat(2, 0).repeat(2, 1)), (ROWS, COLUMNS), colour=True)
    np.testing.assert_allclose(found, pixels / 257, rtol=1e-6)
    assert said == {DEEP, "resized"}


@pytest.mark.parametrize(
    "content",
    [
        tiff(values(4), photometric=5),
        tiff(values(4), extra=[1]),
        tiff(values(3), apart=True, compressed=True),
    ],
    ids=["cmyk", "premultiplied", "apart"],
)
def test_forms_of_which_8_bits_are_read_say_so(content):
    assert look(content) == (ROWS, COLUMNS, False, False)
    found, said = decode(content, (ROWS, COLUMNS), colour=True)
    assert found.dtype == np.uint8
    assert SHALLOW in said


def test_a_bmp_with_16_bits_for_a_pixel_is_not_deep():
    head = struct.pack("<2sIHHIIiiHHIIiiII", b"BM", 54 + 2 * 8, 0, 0, 54, 40, 4, 2, 1, 16, 0, 16, 0, 0, 0, 0)
    found, said = decode(head + bytes([255, 127] * 8), (2, 4), colour=True)
    assert (found == 255).all()
    assert not said


def test_channels_apart_that_would_be_misread_are_refused():
    with pytest.raises(BrokenImageError, match="channels of 16 bits are stored apart; save it with interleaved"):
        decode(tiff(values(3), apart=True), (ROWS, COLUMNS), colour=True)


def test_truncated_files_are_refused():
    for content in (png(values(3)), tiff(values(3))):
        with pytest.raises(BrokenImageError):
            decode(content[:200], (ROWS, COLUMNS), colour=True)


def test_a_folder_of_colour_images_that_are_grey_or_not(tmp_path):
    for number in range(12):
        path = tmp_path / "set" / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(np.repeat(values(1, number), 3, axis=2)))
    prepared = prepare(str(tmp_path / "set"), Rules())
    assert (prepared.images.shape, prepared.images.dtype) == ((12, 1, ROWS, COLUMNS), np.float32)
    assert any("12 images have 12 or 16 bits per channel; they are scaled" in notice for notice in prepared.notices)
    pixels = values(3, 99)
    (tmp_path / "set/b/zz.png").write_bytes(png(pixels))
    found = prepare(str(tmp_path / "set"), Rules()).images
    np.testing.assert_allclose(found[-1], np.moveaxis(pixels, 2, 0) / 257, rtol=1e-6)
