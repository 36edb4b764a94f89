import fcntl
import os
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import fake_data
from helpers.no_locks import without_locks

import aen.data.sets.isic
from aen.data import DataSpec, find_source, load_dataset
from aen.data.image_cache import cached_images
from aen.errors import DataError

SHAPE = (5, 3, 4, 4)
IMAGES = np.random.default_rng(0).integers(0, 256, SHAPE, dtype=np.uint8)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("AEN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "images"


@pytest.fixture
def sources(tmp_path):
    return [fake_data.write(tmp_path / "sources" / name, name.encode()) for name in ("one", "two")]


class Decoder:
    """Gives the images in two pieces and counts how often it is asked."""

    def __init__(self, images=IMAGES):
        self.images, self.times = images, 0

    def __call__(self):
        self.times += 1
        yield self.images[:2]
        yield self.images[2:]


def load(sources, decode, *, name="fake", decoder="1"):
    images = cached_images(name, sources, SHAPE, decode, decoder=decoder)
    np.testing.assert_array_equal(images, decode.images)
    return images


def test_images_are_decoded_once(cache, sources):
    decode = Decoder()
    first, second = load(sources, decode), load(sources, decode)
    assert decode.times == 1
    assert first.dtype == second.dtype == np.uint8
    (file,) = cache.iterdir()
    assert file.stat().st_size < IMAGES.size + 200
    # It is an npy file, with something after it.
    np.testing.assert_array_equal(np.load(file, mmap_mode="r", allow_pickle=False), IMAGES)


def test_what_is_mapped_can_be_given_to_torch_and_written_to(cache, sources):
    decode = Decoder()
    load(sources, decode)
    content = next(cache.iterdir()).read_bytes()
    images = torch.from_numpy(load(sources, decode))
    images += 1
    assert next(cache.iterdir()).read_bytes() == content
    load(sources, decode)
    assert decode.times == 1


def replaced(path):
    path.write_bytes(b"longer than before")


def touched(path):
    os.utime(path, ns=(1, 1))


@pytest.mark.parametrize("change", [replaced, touched])
@pytest.mark.parametrize("which", [0, 1])
def test_changed_sources_are_decoded_anew(cache, sources, change, which):
    decode = Decoder()
    load(sources, decode)
    change(sources[which])
    decode.images = 255 - IMAGES
    load(sources, decode)
    assert decode.times == 2
    assert len(list(cache.iterdir())) == 1


def test_other_sources_and_another_decoder_are_told_apart(cache, sources, tmp_path):
    decode = Decoder()
    load(sources, decode)
    load(sources[::-1], decode)
    load(sources[::-1], decode, decoder="2")
    assert decode.times == 3
    assert len(list(cache.iterdir())) == 1
    load(sources[::-1], decode, name="other", decoder="2")
    shutil.copytree(tmp_path / "sources", tmp_path / "copy")
    load([tmp_path / "copy" / path.name for path in sources[::-1]], decode, decoder="2")
    load(sources[::-1], decode, decoder="2")
    assert decode.times == 5
    assert len(list(cache.iterdir())) == 3


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:-1],
        lambda content: content[:10],
        lambda content: content + b"x",
        lambda _: b"",
        lambda content: b"PK" + content[2:],
        lambda content: content.replace(b"u1", b"O8"),
        lambda content: content.replace(b"(5, 3", b"(3, 5"),
        lambda content: content[:-1] + bytes([content[-1] ^ 1]),
    ],
)
def test_a_damaged_file_is_made_anew(cache, sources, damage):
    decode = Decoder()
    load(sources, decode)
    (file,) = cache.iterdir()
    file.write_bytes(damage(file.read_bytes()))
    load(sources, decode)
    load(sources, decode)
    assert decode.times == 2
    assert list(cache.iterdir()) == [file]


def test_a_cache_that_is_a_folder_is_gone_on_without(cache, sources):
    decode = Decoder()
    load(sources, decode)
    (file,) = cache.iterdir()
    file.unlink()
    file.mkdir()
    load(sources, decode)
    assert list(cache.iterdir()) == [file]


@pytest.mark.parametrize("place", ["file", "no home"])
def test_without_a_cache_folder_images_are_held_in_memory(sources, tmp_path, monkeypatch, place):
    if place == "file":
        monkeypatch.setenv("AEN_CACHE", str(fake_data.write(tmp_path / "file", b"") / "cache"))
    else:
        monkeypatch.delenv("AEN_CACHE")
        monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
        monkeypatch.setattr(Path, "home", lambda: (_ for _ in ()).throw(RuntimeError))
    decode = Decoder()
    assert load(sources, decode).flags.writeable
    load(sources, decode)
    assert decode.times == 2


def test_without_room_images_are_held_in_memory(cache, sources, monkeypatch):
    monkeypatch.setattr("aen.data.image_cache.shutil.disk_usage", lambda _: shutil._ntuple_diskusage(9, 9, 0))
    decode = Decoder()
    load(sources, decode)
    assert decode.times == 1
    assert list(cache.iterdir()) == []


def test_a_disk_that_fills_up_leaves_nothing(cache, sources, monkeypatch):
    monkeypatch.setattr("aen.data.image_cache.os.fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space")))
    decode = Decoder()
    load(sources, decode)
    assert list(cache.iterdir()) == []


@pytest.mark.parametrize("fault", [DataError, KeyboardInterrupt])
def test_what_stops_decoding_is_told_and_nothing_is_left(cache, sources, fault):
    def decode():
        yield IMAGES[:2]
        raise fault

    with pytest.raises(fault):
        cached_images("fake", sources, SHAPE, decode, decoder="1")
    assert list(cache.iterdir()) == []


def test_what_a_killed_process_has_left_is_written_over(cache, sources):
    decode = Decoder()
    load(sources, decode)
    (file,) = cache.iterdir()
    file.rename(file.with_name(f"{file.name}.part"))
    load(sources, decode)
    load(sources, decode)
    assert decode.times == 2
    assert list(cache.iterdir()) == [file]


def test_while_another_process_decodes_this_one_waits(cache, sources):
    decode = Decoder()
    load(sources, decode)
    (file,) = cache.iterdir()
    part = file.with_name(f"{file.name}.part")
    file.rename(part)
    with part.open("ab") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        waiting = threading.Thread(target=load, args=(sources, decode))
        waiting.start()
        waiting.join(0.3)
        assert waiting.is_alive()
        part.rename(file)
    waiting.join(60)
    assert not waiting.is_alive()
    assert decode.times == 1
    assert list(cache.iterdir()) == [file]


def test_without_locks_images_are_cached_too(cache, sources):
    decode = Decoder()
    without_locks(lambda: load(sources, decode))
    load(sources, decode)
    assert decode.times == 1
    assert [path.suffix for path in cache.iterdir()] == [".npy"]


def test_a_missing_source_is_said(cache, sources):
    sources[1].unlink()
    with pytest.raises(DataError, match=r"two does not exist"):
        load(sources, Decoder())
    assert not cache.exists()


@pytest.mark.parametrize("name", ["galaxy10", "galaxy10-64"])
def test_galaxies_are_decoded_once(cache, data_folder, monkeypatch, name):
    fake_data.write_galaxy10(data_folder, n=10)
    first = find_source(name).load().images
    step = aen.data.sets.galaxy10._step
    monkeypatch.setattr("aen.data.sets.galaxy10._step", None)
    assert torch.equal(find_source(name).load().images, first)
    monkeypatch.setattr("aen.data.sets.galaxy10._step", step)
    written = fake_data.write_galaxy10(data_folder, n=10, seed=1)
    assert not torch.equal(find_source(name).load().images, first)
    assert find_source(name).load().labels.tolist() == written.labels.tolist()
    assert len(list(cache.iterdir())) == 1


def test_lesions_are_decoded_once(cache, data_folder, monkeypatch):
    written = fake_data.write_isic(data_folder)
    first = find_source("isic-64").load().images
    decoded = []
    real = aen.data.sets.isic._decoded
    monkeypatch.setattr("aen.data.sets.isic._decoded", lambda *what: decoded.append(what) or real(*what))
    assert torch.equal(find_source("isic-64").load().images, first)
    assert torch.equal(find_source("isic-64:skip-missing").load().images, first)
    # Other classes of the same images.
    fake_data.write_table(data_folder, [(name, 7) for name in written.names])
    assert find_source("isic-64").load().labels.tolist() == [7] * 16
    assert decoded == []
    fake_data.write_table(data_folder, [(name, 7) for name in reversed(written.names)])
    assert torch.equal(find_source("isic-64").load().images, first.flip(0))
    assert len(decoded) == 16
    fake_data.write_jpg(data_folder / "ISIC_2019_Training_Input" / f"{written.names[0]}.jpg", np.zeros((9, 9, 3), "u1"))
    assert find_source("isic-64").load().images[-1].max() == 0
    assert len(list(cache.iterdir())) == 1


def test_only_the_images_that_are_asked_for_are_read(cache, data_folder):
    fake_data.write_galaxy10(data_folder)
    images = find_source("galaxy10").load().images
    (file,) = cache.iterdir()
    # In place, past what is compared: what was mapped before sees it, so that nothing was copied.
    with file.open("r+b") as content:
        content.seek(file.stat().st_size - 32 - 9)
        content.write(b"\x07" * 9)
    assert images[-1, -1, -1, -9:].tolist() == [7] * 9
    dataset = load_dataset(DataSpec("galaxy10", train=6, validation=2, test=2))
    assert dataset.train.images.shape == (6, 3, 256, 256)


def test_what_others_may_have_put_there_is_not_used(cache, sources, tmp_path):
    decode = Decoder()
    load(sources, decode)
    (file,) = cache.iterdir()
    file.rename(tmp_path / "elsewhere")
    file.symlink_to(tmp_path / "elsewhere")
    load(sources, decode)
    assert decode.times == 2, "a link is not followed"
    assert not file.is_symlink()
    file.unlink()
    part = file.with_name(f"{file.name}.part")
    (tmp_path / "precious").write_bytes(b"mine")
    part.symlink_to(tmp_path / "precious")
    load(sources, decode)
    assert decode.times == 3
    assert (tmp_path / "precious").read_bytes() == b"mine"
    part.unlink()
    load(sources, decode)
    cache.chmod(0o777)
    load(sources, decode)
    assert decode.times == 5, "a folder that others can write is not used"
