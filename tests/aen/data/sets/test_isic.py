import numpy as np
import pytest
import torch
from helpers import fake_data
from PIL import Image

from aen.data import DataSpec, find_source, load_dataset, pinned
from aen.errors import DataError

TABLE, FOLDER = "ISIC_2019_Training_GroundTruth.csv", "ISIC_2019_Training_Input"
COLUMNS = b"image,MEL,NV,BCC,AK,BKL,DF,VASC,SCC,UNK\n"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("AEN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "images"


def jpg(folder, name):
    return folder / FOLDER / f"{name}.jpg"


def square(picture):
    rows, columns, _ = picture.shape
    side = min(rows, columns)
    top, left = (rows - side) // 2, (columns - side) // 2
    return picture[top : top + side, left : left + side]


@pytest.mark.parametrize("folder", [".", "ISIC_2019", "isic"])
@pytest.mark.parametrize("name", ["isic", "isic-64", "isic:skip-missing", "isic-64:skip-missing"])
def test_what_was_written_is_read(data_folder, folder, name):
    written = fake_data.write_isic(data_folder, folder=folder)
    source = find_source(name)
    pool = source.load()
    side = 64 if "64" in name else 256
    assert (source.side, source.classes, source.channels, source.images) == (side, 8, 3, (25_331,))
    assert pool.images.dtype == torch.uint8
    assert pool.official_train is None
    np.testing.assert_array_equal(pool.labels.numpy(), written.labels)
    for image, picture in zip(pool.images.numpy(), written.pictures.values(), strict=True):
        scaled = Image.fromarray(square(picture)).resize((side, side), Image.Resampling.BILINEAR)
        difference = np.abs(image.transpose(1, 2, 0).astype(int) - np.asarray(scaled))
        assert difference.mean() < 1
        assert difference.max() < 10


def test_the_two_sizes_differ_and_are_kept_apart(data_folder, cache):
    fake_data.write_isic(data_folder)
    for _ in range(2):
        assert find_source("isic").load().images.shape == (16, 3, 256, 256)
        assert find_source("isic-64").load().images.shape == (16, 3, 64, 64)
    assert len(list(cache.iterdir())) == 2


@pytest.mark.parametrize("shape", [(80, 112), (112, 80), (80, 113), (113, 80), (80, 80)])
def test_the_crop_is_in_the_middle(data_folder, shape):
    """Outside the square in the middle all is red, in it all is blue: no red is left, and no blue is lost."""
    (rows, columns), side = shape, 80
    top, left = (rows - side) // 2, (columns - side) // 2
    picture = np.full((rows, columns, 3), (255, 0, 0), np.uint8)
    picture[top : top + side, left : left + side] = (0, 0, 255)
    picture[top : top + 16, left : left + side] = (0, 255, 0)
    fake_data.write_isic(data_folder, n=1)
    fake_data.write_table(data_folder, [("one", 0)])
    fake_data.write_jpg(jpg(data_folder, "one"), picture)
    red, green, blue = find_source("isic-64").load().images[0].numpy().astype(int)
    inner = slice(2, -2)  # JPEG blurs over an edge that does not lie between its squares of 8 pixels
    assert red[inner, inner].max() < 40
    # 16 of the 80 rows, of 64.
    assert abs(int((green > blue)[:, inner].all(axis=1).sum()) - 12.8) < 1


def test_grey_pictures_become_colour(data_folder):
    written = fake_data.write_isic(data_folder)
    with Image.open(jpg(data_folder, written.names[3])) as file:
        assert file.mode == "L"
    red, green, blue = find_source("isic-64").load().images[3]
    assert torch.equal(red, green)
    assert torch.equal(red, blue)


def test_a_picture_of_ink_becomes_colour(data_folder):
    fake_data.write_isic(data_folder, n=1)
    fake_data.write_table(data_folder, [("ink", 0)])
    fake_data.write_jpg(jpg(data_folder, "ink"), Image.new("CMYK", (70, 70), (0, 0, 0, 255)))
    assert find_source("isic-64").load().images.max() < 10


def test_a_data_set_has_three_channels_and_moves(data_folder):
    fake_data.write_isic(data_folder)
    spec = DataSpec("isic-64", train=8, validation=4, test=4, moves=("rot90", "hflip"))
    dataset = load_dataset(spec)
    assert dataset.train.images.shape == (8, 3, 64, 64)
    assert (dataset.classes, dataset.side) == (8, 64)
    assert abs(float(dataset.train.images.mean())) < 1e-5
    assert abs(float(dataset.train.images.std()) - 1) < 1e-5


def test_other_columns_and_another_order_are_right_too(data_folder):
    written = fake_data.write_isic(data_folder, n=2)
    first, second = written.names
    text = f"UNK,SCC,VASC,DF,BKL,AK,BCC,NV,MEL,image,weight\r\n0,0,0,0,0,0,0,1.0,0,{first},2\r\n"
    fake_data.write(data_folder / TABLE, f"\ufeff{text}0.0,1,0,0,0,0,0,0,0,{second},x\r\n\r\n".encode())
    assert find_source("isic-64").load().labels.tolist() == [1, 7]


ROW = b"%b,0.0,1.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it has no column 'image'; its first line is ''"),
        (COLUMNS.replace(b",SCC", b""), "it has no column 'SCC'; its first line is 'image,MEL,.*VASC,UNK'"),
        (COLUMNS, "it names no images"),
        (COLUMNS + ROW % b"a" + b"b,0,0,0,0,0,0,0,0,0\n", "line 3 .'b'. has 0,0,0,0,0,0,0,0,0, not one 1.0 among 0.0"),
        (COLUMNS + b"a,1.0,1.0,0,0,0,0,0,0,0\n", "line 2 .'a'. has 1.0,1.0,.* not one 1.0 among"),
        (COLUMNS + b"a,0.5,0.5,0,0,0,0,0,0,0\n", "line 2 .'a'. has 0.5,0.5,.* not one 1.0 among"),
        (COLUMNS + b"a,nan,1.0,0,0,0,0,0,0,0\n", "line 2 .'a'. has nan,1.0,.* not one 1.0 among"),
        (COLUMNS + b"a,yes,1.0,0,0,0,0,0,0,0\n", "line 2 .'a'. has yes,1.0,.* not one 1.0 among"),
        (COLUMNS + b"a,0,0,0,0,0,0,0,0,1.0\n", "line 2 .'a'. is of the class UNK, which no training image is of"),
        (COLUMNS + ROW % b"a" + ROW % b"b" + ROW % b"a", "line 4 names 'a' again, after line 2"),
        (COLUMNS + b"a,0,1,0\n", "line 2 has 4 fields, not 10"),
        (COLUMNS + b'"a', "it is not a table that can be read"),
        (COLUMNS + b"\xff\xfe", "it is not a table that can be read"),
        (COLUMNS + b"a" * 200_000, "it is not a table that can be read"),
    ],
)
@pytest.mark.parametrize("name", ["isic", "isic-64:skip-missing"])
def test_a_bad_table_is_refused_by_name(data_folder, cache, name, content, message):
    fake_data.write_isic(data_folder, n=1)
    fake_data.write_jpg(jpg(data_folder, "a"), np.zeros((9, 9, 3), np.uint8))
    fake_data.write(data_folder / TABLE, content)
    with pytest.raises(DataError, match=message) as caught:
        find_source(name).load()
    assert str(caught.value).startswith(str(data_folder / TABLE))
    assert not cache.exists()


@pytest.mark.parametrize(("lost", "listed"), [(1, "{0}.jpg;"), (3, "{0}.jpg, {1}.jpg, {2}.jpg;"), (5, "{2}.jpg, ...;")])
def test_missing_images_are_counted_listed_and_can_be_skipped(data_folder, lost, listed):
    written = fake_data.write_isic(data_folder)
    whole = find_source("isic-64").load()
    for name in written.names[:lost]:
        jpg(data_folder, name).unlink()
    with pytest.raises(DataError) as caught:
        find_source("isic-64").load()
    message = str(caught.value)
    table = data_folder / TABLE
    assert message.startswith(f"{data_folder / FOLDER} lacks {lost} of the 16 images that {table} names: ")
    assert listed.format(*written.names) in message
    assert message.endswith("or name the data set 'isic-64:skip-missing' to load it without them.")
    pool = find_source("isic-64:skip-missing").load()
    assert torch.equal(pool.images, whole.images[lost:])
    assert torch.equal(pool.labels, whole.labels[lost:])


def test_a_folder_without_any_image_is_refused(data_folder):
    written = fake_data.write_isic(data_folder)
    for name in written.names:
        jpg(data_folder, name).unlink()
    with pytest.raises(DataError, match=r"lacks 16 of the 16 images"):
        find_source("isic").load()
    with pytest.raises(DataError, match=r"Training_Input has none of the images .*; get them from https://challenge"):
        find_source("isic:skip-missing").load()


def test_skipping_is_pinned_to_what_is_there(data_folder):
    written = fake_data.write_isic(data_folder)
    assert pinned("isic-64") == "isic-64"
    name = pinned("isic-64:skip-missing")
    assert name.startswith("isic-64:skip-missing@")
    assert pinned(name) == name
    assert DataSpec(name).name == name
    assert len(find_source(name).load().labels) == 16
    jpg(data_folder, written.names[5]).unlink()
    other = pinned("isic-64:skip-missing")
    assert other != name
    assert len(find_source(other).load().labels) == 15
    with pytest.raises(DataError, match=rf"has changed: other images are there than when {name} was named"):
        find_source(name).load()


@pytest.mark.parametrize("name", ["mnist:skip-missing", "isic-65:skip-missing", "isic:skip", "isic:skip-missing@0"])
def test_skipping_is_for_isic_alone(data_folder, name):
    assert not any(data_folder.iterdir())
    for function in (find_source, lambda name: find_source(pinned(name))):
        with pytest.raises(DataError, match=f"unknown data set '{name}'"):
            function(name)


def test_what_is_to_be_pinned_must_be_there(data_folder):
    assert not any(data_folder.iterdir())
    with pytest.raises(DataError, match=r"data set 'isic' was not found"):
        pinned("isic-64:skip-missing")


def truncated(path):
    path.write_bytes(path.read_bytes()[:-200])


def folder(path):
    path.unlink()
    path.mkdir()


def png(path):
    Image.new("RGB", (20, 20)).save(path, format="PNG")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (truncated, "OSError: .*truncated"),
        (lambda path: path.write_bytes(b"\xff\xd8 no picture"), "UnidentifiedImageError"),
        (lambda path: path.write_bytes(b""), "UnidentifiedImageError"),
        (png, "UnidentifiedImageError"),
    ],
)
@pytest.mark.parametrize("name", ["isic", "isic:skip-missing"])
def test_a_broken_picture_is_refused_by_name(data_folder, cache, name, spoil, message):
    written = fake_data.write_isic(data_folder)
    path = jpg(data_folder, written.names[5])
    spoil(path)
    with pytest.raises(DataError, match=rf"is not a JPEG image that can be read .{message}") as caught:
        find_source(name).load()
    assert str(caught.value).startswith(f"{path}: ")
    assert "or remove it and name the data set 'isic:skip-missing' to load it without this image" in str(caught.value)
    assert not any(cache.iterdir())


def test_a_folder_in_place_of_a_picture_is_refused_by_name(data_folder, cache):
    path = jpg(data_folder, fake_data.write_isic(data_folder).names[5])
    folder(path)
    with pytest.raises(DataError, match=r"jpg is a folder; a file is expected") as caught:
        find_source("isic").load()
    assert str(caught.value).startswith(str(path))
    assert not any(cache.iterdir())


@pytest.mark.parametrize("limit", [100, 4000])
def test_a_picture_beyond_pillows_limit_is_refused(data_folder, monkeypatch, limit):
    # Above the limit Pillow warns, above twice the limit it raises; both are refused here.
    fake_data.write_isic(data_folder, n=1)
    fake_data.write_table(data_folder, [("big", 0)])
    fake_data.write_jpg(jpg(data_folder, "big"), np.zeros((70, 70, 3), np.uint8))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    with pytest.raises(DataError, match=r"big.jpg: it is not a JPEG .*DecompressionBomb(Warning|Error)"):
        find_source("isic-64").load()


@pytest.mark.parametrize("target", ["folder", "picture"])
def test_links_that_lead_outside_are_refused(data_folder, tmp_path, target):
    written = fake_data.write_isic(data_folder)
    path = data_folder / FOLDER if target == "folder" else jpg(data_folder, written.names[3])
    outside = tmp_path / "outside"
    path.rename(outside)
    path.symlink_to(outside)
    for name in ("isic", "isic-64:skip-missing"):
        with pytest.raises(DataError, match=r"is a link that leads outside the data folder, to .*outside.*copy the"):
            find_source(name).load()


def test_links_inside_the_folder_are_followed(data_folder):
    written = fake_data.write_isic(data_folder)
    path = jpg(data_folder, written.names[3])
    path.rename(data_folder / "elsewhere.jpg")
    path.symlink_to(data_folder / "elsewhere.jpg")
    (data_folder / FOLDER).rename(data_folder / "real")
    (data_folder / FOLDER).symlink_to(data_folder / "real")
    assert len(find_source("isic-64").load().labels) == 16


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "a/b", "", "\0"])
def test_a_name_in_the_table_that_leads_elsewhere_is_no_image(data_folder, name):
    fake_data.write_isic(data_folder, n=1)
    fake_data.write_jpg(data_folder / "secret.jpg", np.zeros((9, 9, 3), np.uint8))
    fake_data.write(data_folder / TABLE, COLUMNS + ROW % name.encode())
    with pytest.raises(DataError, match=r"lacks 1 of the 1 images"):
        find_source("isic").load()


def test_a_table_without_its_folder_is_not_found(data_folder):
    fake_data.write_isic(data_folder)
    (data_folder / FOLDER).rename(data_folder / "elsewhere")
    fake_data.write(data_folder / FOLDER, b"a file, not a folder")
    with pytest.raises(DataError, match=rf"'isic' was not found .*{TABLE} is there, but not {FOLDER}/ below"):
        find_source("isic").load()
