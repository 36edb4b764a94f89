"""The data set of tests/helpers/toy_plugins, a package from outside: found by its entry point, loaded and split."""

from pathlib import Path

import pytest
import torch

from aen.data import DataSpec, find_source, load_dataset, load_test_split, pinned
from aen.data.check import check_data
from aen.data.fetch import fetch
from aen.data.registry import all_sources
from aen.errors import DataError

PACKAGE = Path(__file__).parents[2] / "helpers" / "toy_plugins"
SPEC = DataSpec("toy_stripes", train=400, validation=100, test=100)


@pytest.fixture
def installed(monkeypatch):
    """The package, on the path as an installer would put it there."""
    monkeypatch.syspath_prepend(PACKAGE)


@pytest.mark.usefixtures("installed")
def test_a_split_is_loaded():
    dataset, test = load_dataset(SPEC), load_test_split(SPEC)
    assert dataset.train.images.shape == (400, 1, 8, 8)
    assert (dataset.classes, len(dataset.validation.labels), len(test.labels)) == (2, 100, 100)
    # Neighbours along a stripe are alike, those across stripes are not: in horizontal ones (0) along the rows.
    images, labels = dataset.train.images[:, 0], dataset.train.labels
    along_rows = (images[:, :, 1:] * images[:, :, :-1]).mean((1, 2))
    along_columns = (images[:, 1:] * images[:, :-1]).mean((1, 2))
    assert torch.equal((along_columns > along_rows).long(), labels)


@pytest.mark.usefixtures("installed")
def test_the_images_are_the_same_on_every_call():
    first, second = find_source("toy_stripes").load(), find_source("toy_stripes").load()
    assert first.images is not second.images
    assert torch.equal(first.images, second.images)
    assert torch.equal(first.labels, second.labels)
    assert first.labels.dtype == torch.int64
    assert first.images.dtype == torch.float32


@pytest.mark.usefixtures("installed")
def test_it_is_listed_checked_and_suggested(data_folder):
    assert "toy_stripes" in all_sources()[0]
    assert pinned("toy_stripes") == "toy_stripes"
    checked = check_data("toy_stripes")
    assert (checked.files, checked.notes) == ((), ())
    assert [(part.name, part.per_class) for part in checked.parts] == [("all", (300, 300))]
    with pytest.raises(DataError, match=r"'toy_stripes' .*toy-plugins; there is nothing to fetch"):
        fetch("toy_stripes")
    with pytest.raises(DataError, match=r"unknown data set 'toy_strips'.*did you mean 'toy_stripes'"):
        find_source("toy_strips")
    assert not any(data_folder.iterdir())


def test_without_the_package_its_name_is_unknown():
    with pytest.raises(DataError, match="unknown data set 'toy_stripes'"):
        find_source("toy_stripes")
