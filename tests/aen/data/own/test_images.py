"""What becomes of images of every mode, depth, orientation and size."""

import io

import numpy as np
import pytest
from helpers.own_folders import pictures, write_class_folders
from PIL import Image, ImageOps

from aen.data import find_source
from aen.data.own.decode import decode, look
from aen.data.own.prepare import prepare
from aen.data.own.rules import MAX_PIXELS, Rules

RAMP = np.arange(144, dtype=np.uint8).reshape(12, 12)


def one_image(folder, image, name="star/zzz.png", rules=None, **options):
    """Add an image to a folder and return what it becomes, and the notices."""
    image.save(folder / name, **options)
    prepared = prepare(str(folder), rules or Rules())
    return prepared.images[-1], prepared.notices


@pytest.mark.parametrize(
    ("ending", "exact"), [("png", True), ("bmp", True), ("tif", True), ("webp", True), ("gif", True), ("JPG", False)]
)
def test_formats(folder, ending, exact):
    options = {"lossless": True} if ending == "webp" else {}
    found, _ = one_image(folder, Image.fromarray(RAMP), f"star/zzz.{ending}", **options)
    np.testing.assert_allclose(found[0].astype(int), RAMP, atol=0 if exact else 12)


def test_a_palette_of_colours(folder):
    colour = Image.fromarray(np.stack([RAMP, 255 - RAMP, RAMP // 2], axis=-1)).quantize(200)
    found, _ = one_image(folder, colour)
    np.testing.assert_array_equal(found, np.moveaxis(np.asarray(colour.convert("RGB")), 2, 0))


def test_images_stored_in_colour_that_are_grey_are_grey(folder):
    found, _ = one_image(folder, Image.fromarray(np.stack([RAMP] * 3, axis=-1)))
    np.testing.assert_array_equal(found, RAMP[None])


def test_transparent_pixels_are_laid_on_white(folder):
    alpha = np.full((12, 12), 255, np.uint8)
    alpha[:6] = 0
    found, notices = one_image(folder, Image.fromarray(np.stack([RAMP, alpha], axis=-1), "LA"))
    np.testing.assert_array_equal(found[0, :6], 255)
    np.testing.assert_array_equal(found[0, 6:], RAMP[6:])
    assert "1 images have transparent pixels; they are laid on white" in notices


def test_images_of_16_bits_keep_their_fractions(folder):
    deep = RAMP.astype(np.uint16) * 257 + 100
    found, notices = one_image(folder, Image.fromarray(deep))
    np.testing.assert_allclose(found[0], deep / 257, rtol=1e-6)
    assert any("have 12 or 16 bits per channel" in notice for notice in notices)
    assert prepare(str(folder), Rules()).images.dtype == np.float32


def test_cmyk(folder):
    grey = Image.fromarray(np.stack([RAMP, RAMP, 255 - RAMP], axis=-1))
    found, notices = one_image(folder, grey.convert("CMYK"), "star/zzz.tif")
    np.testing.assert_allclose(found.astype(int), np.moveaxis(np.asarray(grey), 2, 0), atol=2)
    assert any("in CMYK" in notice for notice in notices)


def test_the_orientation_of_cameras_is_applied(folder):
    exif = Image.Exif()
    exif[0x0112] = 6
    found, _ = one_image(folder, Image.fromarray(RAMP), "star/zzz.jpg", exif=exif, quality=100)
    np.testing.assert_allclose(found[0].astype(int), np.rot90(RAMP, -1), atol=4)


@pytest.mark.parametrize("orientation", range(1, 10))
@pytest.mark.parametrize("ending", ["tif", "jpg", "png", "webp"])
def test_every_orientation(ending, orientation):
    stored = np.arange(16 * 32, dtype=np.uint16).reshape(16, 32) // 2 % 256
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = io.BytesIO()
    options = {"lossless": True} if ending == "webp" else {}
    image = Image.fromarray(stored.astype(np.uint8))
    image.save(file, {"tif": "TIFF", "jpg": "JPEG"}.get(ending, ending), exif=exif, **options)
    exif[0x0112] = orientation
    image.info["exif"] = exif.tobytes()
    upright = np.asarray(ImageOps.exif_transpose(image))
    rows, columns, grey, deep = look(file.getvalue())
    assert (rows, columns) == upright.shape == ((32, 16) if 5 <= orientation <= 8 else (16, 32))
    assert (grey, deep) == (ending != "webp", False)
    found, notes = decode(file.getvalue(), (rows, columns), colour=False)
    np.testing.assert_allclose(found.astype(int), upright, atol=12 if ending == "jpg" else 0)
    assert not notes


def test_an_orientation_behind_the_pixels_of_a_png():
    exif = Image.Exif()
    exif[0x0112] = 6
    file = io.BytesIO()
    Image.fromarray(RAMP[:8]).save(file, "PNG", exif=exif)
    content = file.getvalue()
    start = content.index(b"eXIf") - 4
    stop = start + 12 + int.from_bytes(content[start : start + 4], "big")
    moved = content[:start] + content[stop:-12] + content[start:stop] + content[-12:]
    for png in (content, moved):
        assert look(png)[:2] == (12, 8)
        np.testing.assert_array_equal(decode(png, (12, 8), colour=False)[0], np.rot90(RAMP[:8], -1))


def test_the_first_frame_of_an_animation(folder):
    frames = [Image.fromarray(RAMP), Image.fromarray(255 - RAMP)]
    found, notices = one_image(folder, frames[0], "star/zzz.tif", save_all=True, append_images=frames[1:])
    np.testing.assert_array_equal(found[0], RAMP)
    assert "1 images have several frames; the first is used" in notices


def test_images_of_another_size_are_scaled_by_area_or_cut_to_the_middle(folder):
    double = RAMP.repeat(2, 0).repeat(2, 1)
    found, notices = one_image(folder, Image.fromarray(double))
    np.testing.assert_array_equal(found[0], RAMP)
    assert "1 images have another size; they are resized" in notices
    assert any("images have 2 sizes; the most frequent is 12x12" in notice for notice in notices)
    wide = np.pad(RAMP, ((0, 0), (6, 6)), constant_values=200)
    found, notices = one_image(folder, Image.fromarray(wide), "star/zzzz.png")
    np.testing.assert_array_equal(found[0], RAMP)
    assert any("another aspect ratio; the middle of each is used" in notice for notice in notices)


def test_large_images_are_shrunk_unless_a_size_is_given(tmp_path):
    write_class_folders(tmp_path / "set", pictures(8, size=(120, 180)), np.arange(8) % 2)
    source = find_source(str(tmp_path / "set"))
    rows, columns = source.side
    assert rows * columns <= MAX_PIXELS
    assert (rows % 4, columns % 4) == (0, 0)
    assert abs(columns / rows - 1.5) < 0.1
    assert f"images are 120x180, which is resized to {rows}x{columns}" in source.notices[0]
    assert find_source(str(tmp_path / "set"), Rules(size=(120, 180))).side == (120, 180)


def test_grey_and_colour_by_rule(folder):
    assert prepare(str(folder), Rules(channels="colour", size=6)).images.shape == (30, 3, 6, 6)
    Image.fromarray(np.stack([RAMP, RAMP, 255 - RAMP], axis=-1)).save(folder / "star/zzz.png")
    assert prepare(str(folder), Rules()).images.shape == (31, 3, 12, 12)
    assert prepare(str(folder), Rules(channels="grey")).images.shape == (31, 1, 12, 12)
