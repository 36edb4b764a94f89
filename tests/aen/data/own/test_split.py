"""Grouped, stratified splits, near-duplicates, and the cache."""

import io
import itertools

import numpy as np
import pytest
import torch
from helpers.own_folders import pictures, write_class_folders
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageEnhance

from aen.data import data_spec, dataset, find_source, load_dataset, load_test_split
from aen.data.own import prepare as preparing
from aen.data.own.duplicates import join_groups, near_duplicates
from aen.data.own.prepare import prepare
from aen.data.own.rules import Rules
from aen.data.own.split import Grouping, default_sizes, grouped_split
from aen.errors import DataError


@settings(max_examples=60)
@given(st.data())
def test_no_group_lies_in_two_parts(data):
    n = data.draw(st.integers(12, 120))
    classes = data.draw(st.integers(1, 4))
    draw = np.random.default_rng(data.draw(st.integers(0, 10**6)))
    grouping = Grouping(
        draw.integers(classes, size=n),
        draw.integers(data.draw(st.integers(6, n)), size=n),
        np.zeros(n, np.uint8) if data.draw(st.booleans()) else draw.choice([0, 0, 0, 2], size=n).astype(np.uint8),
        (),
    )
    if grouping.parts.any():
        grouping = Grouping(grouping.labels, grouping.groups, grouping.parts, ("train", "test"))
    try:
        sizes = default_sizes(grouping, 0)
    except DataError:
        return
    parts = grouped_split(grouping, sizes, 0, "toy")
    assert tuple(map(len, parts)) == sizes
    assert len(np.unique(np.concatenate(parts))) == sum(sizes)
    for one, other in itertools.combinations(parts, 2):
        assert not set(grouping.groups[one]) & set(grouping.groups[other])
    if grouping.divided:
        assert set(grouping.parts[parts[2]]) == {2}
        assert not grouping.parts[np.concatenate(parts[:2])].any()


def test_each_part_has_the_classes_in_their_proportions():
    labels = np.repeat([0, 1, 2], [600, 300, 100])
    grouping = Grouping(labels, np.arange(1000), np.zeros(1000, np.uint8), ())
    assert default_sizes(grouping, 3) == (600, 200, 200)
    for places, size in zip(grouped_split(grouping, (300, 100, 50), 3, "toy"), (300, 100, 50), strict=True):
        expected = np.array([0.6, 0.3, 0.1]) * size
        assert np.abs(np.bincount(labels[places], minlength=3) - expected).max() <= 1
    one, other = (grouped_split(grouping, (600, 200, 200), seed, "toy")[0] for seed in (0, 1))
    assert not np.array_equal(one, other)


def test_too_few_groups():
    labels, groups = np.arange(40) % 2, np.arange(40) // 20
    with pytest.raises(DataError, match=r"40 images, in 2 groups that stay together, cannot be divided"):
        default_sizes(Grouping(labels, groups, np.zeros(40, np.uint8), ()), 0)
    with pytest.raises(DataError, match=r"all 40 images stay together"):
        default_sizes(Grouping(labels, 0 * groups, np.zeros(40, np.uint8), ()), 0)
    grouping = Grouping(labels, np.arange(40) // 4, np.zeros(40, np.uint8), ())
    with pytest.raises(
        DataError, match=r"'toy' has 40 images in 10 groups kept together, too few for .* such as data.train="
    ):
        grouped_split(grouping, (30, 10, 4), 0, "toy")


def altered(image):
    """Return the same picture, scaled, compressed and a little brighter."""
    half = Image.fromarray(image).resize((96, 96), Image.Resampling.BILINEAR)
    content = io.BytesIO()
    ImageEnhance.Brightness(half).enhance(1.01).save(content, "JPEG", quality=80)
    return np.asarray(Image.open(content).resize(image.shape[1::-1], Image.Resampling.BOX).convert("L"))


@pytest.mark.parametrize("size", [(32, 32), (36, 48)])
def test_near_duplicates_are_found_and_similar_images_are_not(size):
    images = pictures(400, size=size)
    copies = np.stack([altered(image) for image in images[:50]])
    exact = images[60:70]
    groups = near_duplicates(np.concatenate([images, copies, exact])[:, None])
    assert (groups[400:450] == groups[:50]).mean() > 0.95
    np.testing.assert_array_equal(groups[450:], groups[60:70])
    assert len(np.unique(groups[:400])) == 400


def test_digits_of_one_class_are_no_duplicates():
    from sklearn.datasets import load_digits

    groups = near_duplicates((load_digits().images * 15).astype(np.uint8)[:, None])
    assert np.bincount(groups).max() <= 3


def test_groups_are_joined():
    joined = join_groups(np.array([0, 0, 1, 2, 3]), np.array([5, 6, 6, 7, 7]))
    assert joined.tolist() == [joined[0]] * 3 + [joined[3]] * 2
    assert joined[0] != joined[3]


def test_copies_of_test_images_are_left_out_of_training(tmp_path):
    images = pictures(60, size=(16, 16))
    write_class_folders(
        tmp_path / "set/train", np.concatenate([images[:40], images[40:44]]), [*(np.arange(40) % 2), 0, 1, 0, 1]
    )
    write_class_folders(tmp_path / "set/test", images[40:], np.arange(20) % 2)
    spec = data_spec(str(tmp_path / "set"))
    assert (spec.train + spec.validation, spec.test) == (40, 20)
    assert any(notice.startswith("4 images are left out") for notice in find_source(str(tmp_path / "set")).notices)


def test_sizes_that_are_given_are_kept(folder):
    spec = data_spec(str(folder), test=3)
    assert (spec.train, spec.validation, spec.test) == (21, 6, 3)
    assert len(load_dataset(data_spec(str(folder), train=9, validation=3, test=3)).train.labels) == 9


def test_the_cache_is_used_and_not_believed(folder, own_cache, monkeypatch):
    first = prepare(str(folder), Rules())
    (file,) = (own_cache / "own").iterdir()
    monkeypatch.setattr(preparing, "_prepare", lambda *_: pytest.fail("not from the cache"))
    preparing._REMEMBERED.clear()
    again = prepare(str(folder), Rules())
    np.testing.assert_array_equal(again.images, first.images)
    assert (again.pin, again.class_names, again.notices) == (first.pin, first.class_names, first.notices)
    monkeypatch.undo()
    monkeypatch.setenv("AEN_CACHE", str(own_cache))
    whole, images = file.read_bytes(), np.array(first.images)
    for damaged in (
        b"",
        whole[:-1],
        whole[:40],
        b"x" + whole[1:],
        whole.replace(b'"images"', b'"imagex"'),
        whole + b"x",
    ):
        file.unlink()  # a mapped file must not shrink
        file.write_bytes(damaged)
        preparing._REMEMBERED.clear()
        np.testing.assert_array_equal(prepare(str(folder), Rules()).images, images)
        assert file.read_bytes() == whole


def test_a_changed_file_is_read_again(folder):
    name = data_spec(str(folder)).name
    Image.fromarray(pictures(1, seed=9)[0]).save(folder / "star/020.png")
    assert data_spec(str(folder)).name != name


@pytest.mark.parametrize("reads", [1, 2, 7, 32])
def test_images_of_the_cache_and_those_in_memory_are_the_same(folder, monkeypatch, tmp_path, reads):
    monkeypatch.setattr(dataset, "_READS", reads)
    spec = data_spec(str(folder))
    mapped, mapped_test = load_dataset(spec).train, load_test_split(spec)
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("AEN_CACHE", str(tmp_path / "file"))
    preparing._REMEMBERED.clear()
    dataset._RECENT.clear()
    held, held_test = load_dataset(spec).train, load_test_split(spec)
    assert len(held.labels) == 18
    for one, other in ((mapped, held), (mapped_test, held_test)):
        assert torch.equal(one.images, other.images)
        assert torch.equal(one.labels, other.labels)
