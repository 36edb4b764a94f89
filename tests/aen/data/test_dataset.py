import itertools
import json
from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from aen.data import SOURCES, Dataset, DataSpec, Pool, Source, find_source, load_dataset, load_test_split
from aen.errors import DataError

N = 60
SPEC = DataSpec(name="numbered", train=30, validation=20, test=10)


@pytest.fixture(autouse=True)
def numbered(monkeypatch):
    """A data set whose label is the image's number, and whose pixels tell it too: 0, 1, number, noise."""

    def load():
        pixels = torch.rand(N, 1, 4, 4, generator=torch.Generator().manual_seed(0))
        pixels[:, 0, 0, 0], pixels[:, 0, 0, 1], pixels[:, 0, 0, 2] = 0.0, 1.0, torch.arange(N).float()
        return Pool(pixels, torch.arange(N))

    monkeypatch.setitem(SOURCES, "numbered", Source(load, side=4, classes=N))


def parts(spec):
    dataset = load_dataset(spec)
    return dataset.train, dataset.validation, load_test_split(spec)


def test_splits_have_their_sizes_and_share_no_image():
    numbers = [split.labels.tolist() for split in parts(SPEC)]
    assert [len(n) for n in numbers] == [30, 20, 10]
    assert sorted(itertools.chain(*numbers)) == list(range(N))


def test_images_stay_with_their_labels():
    for split in parts(SPEC):
        first = split.images[:, 0, 0]
        number = (first[:, 2] - first[:, 0]) / (first[:, 1] - first[:, 0])
        torch.testing.assert_close(number, split.labels.float(), rtol=1e-3, atol=1e-3)


def test_images_are_shuffled_by_the_split_seed_alone():
    one = [split.labels.tolist() for split in parts(SPEC)]
    assert one[0] != sorted(one[0])
    assert [s.labels.tolist() for s in parts(replace(SPEC, moves=("hflip",), moves_seed=9))] == one
    assert [s.labels.tolist() for s in parts(replace(SPEC, split_seed=1))] != one


def test_same_spec_gives_the_same_images(monkeypatch):
    spec = replace(SPEC, moves=("rot90",))
    before = [split.images.clone() for split in parts(spec)]
    # Under another name nothing can come from a cache.
    monkeypatch.setitem(SOURCES, "numbered_again", SOURCES["numbered"])
    after = [split.images for split in parts(replace(spec, name="numbered_again"))]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_standardised_by_the_training_images_alone():
    raw = SOURCES["numbered"].load().images
    train, validation, test = parts(SPEC)
    mean, deviation = raw[train.labels].numpy().mean(), raw[train.labels].numpy().std(ddof=1)
    assert abs(float(train.images.mean())) < 1e-5
    assert abs(float(train.images.std()) - 1) < 1e-5
    for split in (validation, test):
        expected = (raw[split.labels].numpy() - mean) / deviation
        np.testing.assert_allclose(split.images.numpy(), expected, rtol=1e-4, atol=1e-5)


def test_moves_come_before_the_split():
    # The same image is moved in the same way wherever the split puts it.
    def moved(split_seed):
        spec = replace(SPEC, moves=("hflip",), split_seed=split_seed)
        return {
            int(n): bool(x[0, 0, 3] < x[0, 0, 0]) for s in parts(spec) for x, n in zip(s.images, s.labels, strict=True)
        }

    raw = SOURCES["numbered"].load().images
    first, second = moved(0), moved(1)
    assert first == second
    assert 0 < sum(first.values()) < len(raw)


def test_a_data_set_holds_no_test_images():
    assert {f.name for f in fields(Dataset)} == {"spec", "classes", "train", "validation", "class_names"}
    test = set(load_test_split(SPEC).labels.tolist())
    dataset = load_dataset(SPEC)
    assert not test & set(dataset.train.labels.tolist())
    assert not test & set(dataset.validation.labels.tolist())


def test_digits_are_those_of_scikit_learn():
    spec = DataSpec()
    splits = parts(spec)
    assert [len(s.labels) for s in splits] == [600, 597, 600]
    images, labels = load_digits(return_X_y=True)
    pool = find_source("digits").load()
    assert torch.equal(pool.labels, torch.from_numpy(labels))
    assert torch.equal(pool.images.flatten(1).double() * 16, torch.from_numpy(images))
    assert sorted(torch.cat([s.labels for s in splits]).tolist()) == sorted(labels.tolist())
    dataset = load_dataset(spec)
    assert (dataset.side, dataset.classes) == (8, 10)
    assert dataset.train.images.dtype == torch.float32
    assert len(dataset.train.images.unique()) == 17


def test_to_moves_both_splits():
    dataset = load_dataset(SPEC).to("meta")
    assert {s.images.device.type for s in (dataset.train, dataset.validation)} == {"meta"}
    assert {s.labels.device.type for s in (dataset.train, dataset.validation)} == {"meta"}


def test_spec_survives_json():
    spec = replace(SPEC, moves=("rot90", "hflip"), angles="any", split_seed=3, moves_seed=4)
    assert DataSpec.from_json(json.loads(json.dumps(spec.to_json()))) == spec


@pytest.mark.parametrize("read", [load_dataset, load_test_split])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "digit"}, "unknown data set 'digit'.*did you mean 'digits'"),
        ({"train": 31}, r"'numbered' has 60 images, too few for 31 train \+ 20 validation \+ 10 test = 61"),
        ({"train": 0}, "data.train is 0; each split needs at least 1 image"),
        ({"validation": -1}, "data.validation is -1"),
        ({"test": 0}, "data.test is 0"),
        ({"angles": "all"}, "unknown angles 'all'"),
    ],
)
def test_bad_spec_is_refused(read, change, message):
    with pytest.raises(DataError, match=message):
        read(replace(SPEC, **change))
