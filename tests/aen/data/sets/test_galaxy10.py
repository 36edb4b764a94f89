import h5py
import numpy as np
import pytest
import torch
from helpers import fake_data

import aen.data.sets.galaxy10
from aen.data import DataSpec, find_source, load_dataset, load_test_split
from aen.errors import DataError

SPEC = DataSpec("galaxy10-64", train=20, validation=10, test=10)
SMALL = np.zeros((4, 256, 256, 3), np.uint8)
ANS = np.arange(4, dtype=np.uint8)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("AEN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "images"


def means(images):
    """Means of 4 x 4 pixels, written another way."""
    cells = images.astype(np.float64)
    cells = sum(cells[..., i::4, j::4] for i in range(4) for j in range(4)) / 16
    return np.floor(cells + 0.5).astype(np.uint8)


@pytest.mark.parametrize("folder", [".", "Galaxy10", "galaxy10"])
@pytest.mark.parametrize("layout", [{}, {"chunks": (5, 64, 64, 1), "compression": "gzip", "compression_opts": 1}])
def test_what_was_written_is_read(data_folder, folder, layout):
    written = fake_data.write_galaxy10(data_folder, n=12, folder=folder, **layout)
    large, small = find_source("galaxy10"), find_source("galaxy10-64")
    np.testing.assert_array_equal(large.load().images.numpy(), written.images)
    np.testing.assert_array_equal(small.load().images.numpy(), means(written.images))
    for source in (large, small):
        pool = source.load()
        np.testing.assert_array_equal(pool.labels.numpy(), written.labels)
        assert pool.images.dtype == torch.uint8
        assert pool.images.shape[1:] == (source.channels, source.side, source.side)
        assert (source.classes, source.images, pool.official_train) == (10, (17_736,), None)


@pytest.mark.parametrize("rows", [None, 1, 5, 40])
@pytest.mark.parametrize("piece", [1, 2_000_000, 2**28])
def test_pieces_of_any_length_make_the_same_images(data_folder, monkeypatch, rows, piece):
    monkeypatch.setattr(aen.data.sets.galaxy10, "_PIECE", piece)
    monkeypatch.setattr(aen.data.sets.galaxy10, "_MOST", 20)
    layout = {"chunks": (rows, 256, 256, 3)} if rows else {}
    written = fake_data.write_galaxy10(data_folder, **layout)
    np.testing.assert_array_equal(find_source("galaxy10").load().images.numpy(), written.images)


def test_a_data_set_has_three_channels_moves_and_one_standardisation(data_folder):
    written = fake_data.write_galaxy10(data_folder)
    plain, moved = (load_dataset(DataSpec(**(vars(SPEC) | {"moves": moves}))) for moves in ((), ("hflip",)))
    test = load_test_split(SPEC)
    assert (plain.side, plain.classes, len(plain.train.labels)) == (64, 10, 20)
    assert plain.train.images.shape == (20, 3, 64, 64)
    assert abs(float(plain.train.images.mean())) < 1e-5
    assert abs(float(plain.train.images.std()) - 1) < 1e-5
    labels = torch.cat([plain.train.labels, plain.validation.labels, test.labels])
    assert sorted(labels.tolist()) == sorted(written.labels.tolist())
    turned = [not torch.equal(*pair) for pair in zip(plain.train.images, moved.train.images, strict=True)]
    assert 0 < sum(turned) < 20
    for flipped, before, after in zip(turned, plain.train.images, moved.train.images, strict=True):
        torch.testing.assert_close(after, before.flip(2) if flipped else before, rtol=1e-4, atol=1e-4)


def test_a_tenth_is_for_the_test_and_a_tenth_of_the_rest_for_validation(data_folder):
    fake_data.write_galaxy10(data_folder)
    one, other = (DataSpec("galaxy10-64", train=32, validation=4, test=4, split_seed=seed) for seed in (0, 1))
    assert load_test_split(one).labels.tolist() != load_test_split(other).labels.tolist()


def linked(kind):
    def write(path):
        other = fake_data.write_h5(path.with_name("other.h5"), images=SMALL)
        fake_data.write_h5(path, ans=ANS)
        with h5py.File(path, "a") as file:
            if kind == "virtual":
                layout = h5py.VirtualLayout(SMALL.shape, np.uint8)
                layout[:] = h5py.VirtualSource(str(other), "images", SMALL.shape)
                file.create_virtual_dataset("images", layout)
            elif kind == "raw":
                raw = fake_data.write(path.with_name("raw"), bytes(SMALL.size))
                file.create_dataset("images", SMALL.shape, np.uint8, external=[(str(raw), 0, SMALL.size)])
            else:
                file["images"] = h5py.ExternalLink(str(other), "/images")

    return write


def arrays(**values):
    return lambda path: fake_data.write_h5(path, **values)


def cut(part):
    def write(path):
        fake_data.write_galaxy10(path.parent, n=4)
        path.write_bytes(path.read_bytes()[: int(part * path.stat().st_size)])

    return write


def group(path):
    with h5py.File(path, "w") as file:
        file.create_group("images")
        file["ans"] = ANS


def spoilt(path):
    """A block that cannot be unpacked."""
    fake_data.write_h5(path, images=(SMALL, {"chunks": (1, 256, 256, 3), "compression": "gzip"}), ans=ANS)
    with h5py.File(path) as file:
        place = file["images"].id.get_chunk_info(2).byte_offset
    content = bytearray(path.read_bytes())
    content[place : place + 40] = b"\xff" * 40
    path.write_bytes(content)


HUGE = (SMALL, {"chunks": (1, 256, 256, 3), "maxshape": (None, 256, 256, 3)})


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (arrays(images=SMALL, ra=ANS, dec=ANS), "it has no 'ans'; it holds 'dec', 'images', 'ra'; repair it, or"),
        (arrays(pictures=SMALL, ans=ANS), "it has no 'images'; it holds 'ans', 'pictures'"),
        (arrays(), "it has no 'images'; it holds nothing"),
        (arrays(images=SMALL, ans=ANS[:3]), "has 4 images, but .* has 3 labels; they do not belong together"),
        (arrays(images=SMALL[:0], ans=ANS[:0]), "has no images"),
        (arrays(images=SMALL, ans=ANS + 7), "has the label 10, outside the 10 classes 0 to 9"),
        (arrays(images=SMALL, ans=ANS.astype(int) - 1), "has the label -1, outside"),
        (arrays(images=SMALL, ans=ANS / 1), r"ans has the shape \[4\] of float64, not \[n\] of whole numbers"),
        (arrays(images=SMALL, ans=ANS[:, None]), r"ans has the shape \[4, 1\] of uint8"),
        (arrays(images=SMALL / 1, ans=ANS), r"images has the shape \[4, 256, 256, 3\] of float64, not"),
        (arrays(images=SMALL[:, :69, :69], ans=ANS), r"images has the shape \[4, 69, 69, 3\] of uint8, not"),
        (arrays(images=np.uint8(1), ans=ANS), r"images has the shape \[\] of uint8, not"),
        (arrays(images="text", ans=ANS), r"images has the shape \[\] of object, not"),
        (group, "'images' is not an array"),
        (linked("external"), "'images' is a link, which aen does not follow"),
        (linked("virtual"), "'images' is stored in another file, which aen does not open"),
        (linked("raw"), "'images' is stored in another file"),
        (lambda path: path.write_bytes(b"not HDF5 at all"), "it is not an HDF5 file that can be read .OSError"),
        (lambda path: path.write_bytes(b""), "it is not an HDF5 file that can be read"),
        (cut(0.5), "it is not an HDF5 file that can be read .*truncated"),
        (cut(0.99), "it is not an HDF5 file that can be read .*truncated"),
        (spoilt, "it is not an HDF5 file that can be read"),
    ],
)
@pytest.mark.parametrize("name", ["galaxy10", "galaxy10-64"])
def test_a_bad_file_is_refused_by_name(data_folder, cache, name, write, message):
    write(data_folder / "Galaxy10_DECals.h5")
    with pytest.raises(DataError, match=message) as caught:
        find_source(name).load()
    assert str(data_folder / "Galaxy10_DECals.h5") in str(caught.value)
    assert not cache.exists() or not any(cache.iterdir())


def test_what_is_announced_beyond_a_limit_is_not_unpacked(data_folder):
    path = fake_data.write_h5(data_folder / "Galaxy10_DECals.h5", images=HUGE, ans=ANS)
    with h5py.File(path, "a") as file:
        file["images"].resize((10**9, 256, 256, 3))  # takes no room: blocks that were not written are zero
    with pytest.raises(DataError, match=r"Galaxy10_DECals.h5: images unpacks to more than 4 GiB"):
        find_source("galaxy10").load()


def test_a_link_that_leads_outside_is_refused(data_folder, tmp_path):
    fake_data.write_galaxy10(tmp_path, n=3, folder="outside")
    (data_folder / "Galaxy10_DECals.h5").symlink_to(tmp_path / "outside" / "Galaxy10_DECals.h5")
    with pytest.raises(DataError, match=r"is a link that leads outside the data folder, to .*outside.*copy the file"):
        find_source("galaxy10-64").load()


def test_the_file_is_not_looked_for_packed(data_folder):
    fake_data.write(data_folder / "Galaxy10_DECals.h5", b"", packed=True)
    with pytest.raises(DataError, match=r"data set 'galaxy10' was not found"):
        find_source("galaxy10").load()
