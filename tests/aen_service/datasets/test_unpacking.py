"""Zips of class folders are unpacked safely: no name leads out, no bomb fills the disk."""

import io
import stat
import struct
import zipfile

import pytest

from aen.errors import DataError
from aen_service.datasets.unpacking import check_archive, unpack

LIMIT = 10**6


@pytest.fixture
def packed(tmp_path):
    def pack(entries, name="x.zip", **options):
        with zipfile.ZipFile(tmp_path / name, "w", **options) as archive:
            for entry, content in entries:
                archive.writestr(entry, content)
        return tmp_path / name

    return pack


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_folders_around_the_classes_and_files_that_are_no_images_are_left_out(packed, tmp_path):
    entries = [("my data/cats/1.png", b"a"), ("my data/dogs/deep/2.JPG", b"b"), ("my data/readme.txt", b"c")]
    entries += [("__MACOSX/my data/cats/._1.png", b"d"), ("my data/.hidden/3.png", b"e"), ("my data/cats/", b"")]
    notices = unpack(packed(entries), tmp_path / "images", LIMIT)
    assert files(tmp_path / "images") == ["cats/1.png", "dogs/deep/2.JPG"]
    assert notices == ["1 files of the zip are no images and were left out"]


def test_parts_stay(packed, tmp_path):
    unpack(packed([("d/train/a/1.png", b"a"), ("d/test/a/1.png", b"b")]), tmp_path / "images", LIMIT)
    assert files(tmp_path / "images") == ["test/a/1.png", "train/a/1.png"]


@pytest.mark.parametrize(
    "name",
    [
        *("../a/1.png", "a/../../1.png", "/a/1.png", "..\\a\\1.png", "a\\..\\..\\1.png", "C:\\a\\1.png", "c:/a/1.png"),
        *("\\\\host\\a\\1.png", "a/..", "a/./../b/1.png"),
    ],
)
def test_names_that_lead_out_of_the_archive_are_refused(packed, tmp_path, name):
    path = packed([(zipfile.ZipInfo(name), b"x"), ("a/2.png", b"y")])
    with pytest.raises(DataError, match="whose name leads out of the archive"):
        unpack(path, tmp_path / "images", LIMIT)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.zip"]


def test_a_name_with_nul_is_refused(packed, tmp_path):
    path = packed([("a/1.png~.png", b"x")])
    path.write_bytes(path.read_bytes().replace(b"png~", b"png\0"))
    with pytest.raises(DataError, match="leads out of the archive"):
        unpack(path, tmp_path / "images", LIMIT)


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO, stat.S_IFSOCK])
def test_links_and_devices_are_refused(packed, tmp_path, kind):
    entry = zipfile.ZipInfo("a/1.png")
    entry.external_attr = (kind | 0o777) << 16
    with pytest.raises(DataError, match="which is a link or a device"):
        unpack(packed([(entry, b"/etc/passwd")]), tmp_path / "images", LIMIT)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("a/1.png", "A/2.png"), "folders '[aA]' and '[aA]'"),
        (("a/1.png", "a/1.PNG"), "twice, or in two spellings"),
        (("a/b/c/d/e/f/g/h/1.png",), "too deep"),
        (("a/" + "x" * 300 + ".png",), "too long"),
        (("a/\x1b[31m.png",), "not printable"),
        (("readme.txt",), "has no images; give a zip with a folder of images for each class"),
        ((), "has no images"),
    ],
)
def test_names_that_cannot_be_kept_are_refused(packed, tmp_path, names, said):
    with pytest.raises(DataError, match=said):
        unpack(packed([(name, b"x") for name in names]), tmp_path / "images", LIMIT)
    assert not (tmp_path / "images").exists()


def test_a_zip_that_unpacks_to_too_much_is_refused_before_it_is_unpacked(packed, tmp_path):
    path = packed([("a/1.png", bytes(LIMIT)), ("a/2.png", b"x")], compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(DataError, match="unpacks to 1,000,001 bytes, above the 1,000,000"):
        unpack(path, tmp_path / "images", LIMIT)
    with pytest.raises(DataError, match=r"which unpacks to [0-9,]+ times its size"):
        unpack(path, tmp_path / "images", 2 * LIMIT)
    assert not (tmp_path / "images").exists()


def test_a_zip_that_announces_less_than_it_has_is_refused(packed, tmp_path):
    path = packed([("a/1.png", bytes(1000))])
    content = path.read_bytes()
    small = struct.pack("<I", 10)
    path.write_bytes(content.replace(struct.pack("<I", 1000), small))
    with pytest.raises(DataError, match=r"damaged|announces"):
        unpack(path, tmp_path / "images", LIMIT)


def test_overlapping_entries_do_not_write_more_than_the_limit(packed, tmp_path):
    path = packed([(f"a/{number}.png", bytes(200)) for number in range(10)])
    with pytest.raises(DataError, match="unpacks to 2,000 bytes, above the 1,500"):
        unpack(path, tmp_path / "images", 1500)


def test_a_directory_of_millions_of_entries_is_not_read(tmp_path):
    path = tmp_path / "x.zip"
    path.write_bytes(b"PK\x05\x06" + struct.pack("<4H2IH", 0, 0, 65535, 65535, 2**30, 0, 0))
    with pytest.raises(DataError, match="more than 200,000 entries"):
        check_archive(path, LIMIT)


@pytest.mark.parametrize(
    "content", [b"", b"PK", b"no zip at all", b"PK\x03\x04" + bytes(100), b"PK\x05\x06" + bytes(18)]
)
def test_what_is_no_zip_is_refused(tmp_path, content):
    path = tmp_path / "x.zip"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"is no zip file, or a damaged one|has no images"):
        unpack(path, tmp_path / "images", LIMIT)


def test_an_encrypted_zip_is_refused(packed, tmp_path):
    path = packed([("a/1.png", b"x")])
    content = bytearray(path.read_bytes())
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(mark) + place] |= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match="is encrypted"):
        unpack(path, tmp_path / "images", LIMIT)


def test_a_zip_inside_of_a_zip_is_no_image(packed, tmp_path):
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("a/1.png", b"x")
    with pytest.raises(DataError, match="has no images"):
        unpack(packed([("a/inner.zip", inner.getvalue())]), tmp_path / "images", LIMIT)
