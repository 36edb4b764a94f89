import gzip
import hashlib
import os
from dataclasses import replace

import numpy as np
import pytest
from helpers import fake_data

from aen.data import SOURCES
from aen.data.check import check_data
from aen.errors import DataError


def test_images_are_counted_per_class(data_folder):
    fake = fake_data.write_emnist(data_folder, "letters", 26, first_label=1)
    checked = check_data("emnist-letters")
    assert [part.name for part in checked.parts] == ["training", "test"]
    for part, labels in zip(checked.parts, (fake.train_labels, fake.test_labels), strict=True):
        assert part.per_class == tuple(np.bincount(labels).tolist())
    assert {verdict for _, verdict in checked.files} == {"no checksum known"}
    assert checked.notes == ("52 + 26 images, where 124,800 + 20,800 were published",)


def test_digits_and_npz_files_are_checked_too(data_folder):
    checked = check_data("digits")
    assert (checked.files, checked.notes) == ((), ())
    assert sum(checked.parts[0].per_class) == 1797
    fake_data.write_npz(data_folder / "mine.npz", images=np.zeros((4, 8, 8)), labels=np.array([0, 2, 2, 0]))
    (part,) = check_data("mine.npz").parts
    assert (part.name, part.per_class) == ("all", (2, 0, 2))


def test_another_files_checksum_is_a_mismatch(data_folder):
    fake_data.write_mnist(data_folder)
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte.gz: checksum mismatch, its md5 is .*aen data fetch"):
        check_data("mnist")
    fake_data.write_mnist(data_folder, folder="KMNIST/raw")
    with pytest.raises(DataError, match=r"not bdb82020997e1d708af4cf47b453dcf7; it is not the published file"):
        check_data("kmnist")


@pytest.mark.parametrize("packed", [True, False])
def test_a_known_content_is_right_however_it_is_packed(data_folder, monkeypatch, packed):
    fake_data.write_mnist(data_folder, packed=packed)
    contents = {}
    for path in (data_folder / "MNIST/raw").iterdir():
        raw = path.read_bytes()
        contents[path.name.removesuffix(".gz")] = gzip.decompress(raw) if packed else raw
    known = {name: hashlib.md5(content, usedforsecurity=False).hexdigest() for name, content in contents.items()}
    monkeypatch.setitem(SOURCES, "mnist", replace(SOURCES["mnist"], content_md5=known))
    assert {verdict for _, verdict in check_data("mnist").files} == {"as published"}
    assert {verdict for _, verdict in check_data("gmnist-multi-3").files} == {"as published"}


def test_damage_is_said_before_checksums_are(data_folder):
    fake_data.write_mnist(data_folder)
    path = data_folder / "MNIST/raw/t10k-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(DataError, match=r"t10k-images-idx3-ubyte.gz: the gzip file is truncated"):
        check_data("mnist")


def test_what_is_missing_is_said(data_folder):
    assert not any(data_folder.iterdir())
    for name in [name for name, source in SOURCES.items() if source.recipe]:
        with pytest.raises(DataError, match=f"data set '{name}' was not found.*aen data fetch {name}"):
            check_data(name)


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_real_data_are_as_published(name):
    if "AEN_DATA" not in os.environ:
        pytest.skip("AEN_DATA is not set")
    checked = check_data(name)
    assert [sum(part.per_class) for part in checked.parts] == [60_000, 10_000]
    assert {verdict for _, verdict in checked.files} == {"as published"}
    assert checked.notes == ()
