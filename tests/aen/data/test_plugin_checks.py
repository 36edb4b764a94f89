"""What data sets of other packages load is checked, and they take no built-in name."""

import sys

import pytest
from helpers.plugins import install_package

from aen.data import SOURCES, find_source
from aen.data.registry import PLUGIN_GROUP, all_sources
from aen.errors import DataError

# A data set of four images, of which PIXELS and LABELS can be chosen.
MODULE = """
import torch
from aen.data import Pool, Source

def load():
    return Pool({images}, {labels})

CELLS = Source(load, side=4, classes=2, images=(4,))
"""
IMAGES, LABELS = "torch.arange(64.0).reshape(4, 1, 4, 4)", "torch.tensor([0, 1, 0, 1])"


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Installs packages whose module names begin with ``plugged_``."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(site)
    yield lambda name, entries, modules=None: install_package(site, name, {PLUGIN_GROUP: entries}, modules)
    for name in [name for name in sys.modules if name.startswith("plugged_")]:
        del sys.modules[name]


@pytest.mark.parametrize("name", ["mnist", "emnist", "gmnist-rot90", "isic:skip-missing"])
def test_a_built_in_name_cannot_be_taken(install, name):
    install("cuckoo", {name: "plugged_cuckoo:CELLS"}, {"plugged_cuckoo": MODULE.format(images=IMAGES, labels=LABELS)})
    assert find_source(name).side in {28, 256}
    sources, errors = all_sources()
    assert sources.keys() == SOURCES.keys()
    assert "cuckoo" in str(errors[name])


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (f"{IMAGES}.double()", LABELS, r"images of shape \[4, 1, 4, 4\] and type torch.float64; expected"),
        ("torch.zeros(4, 1, 5, 5)", LABELS, r"images of shape \[4, 1, 5, 5\] .*; expected \[4, 1, 4, 4\] of uint8 or"),
        ("torch.zeros(4, 3, 4, 4)", LABELS, r"images of shape \[4, 3, 4, 4\]"),
        (IMAGES, f"{LABELS}.int()", r"labels of shape \[4\] and type torch.int32; expected \[4\] of int64"),
        (IMAGES, "torch.tensor([0, 1, 2, 0])", "labels from 0 to 2; expected 0 to 1"),
        (IMAGES, "torch.tensor([0, 1, -1, 0])", "labels from -1 to 1; expected 0 to 1"),
        (f"{IMAGES}.log()", LABELS, "pixels that are NaN or infinite"),
        (
            f"{IMAGES} * torch.tensor([1.0, 1, 99, 99])[:, None, None, None]",
            f"{LABELS}, 2",
            "parts of different scale: the training part is",
        ),
    ],
    ids=["double", "side", "channels", "int32", "label too large", "label negative", "infinite", "scales"],
)
def test_what_a_plug_in_loads_is_checked(install, images, labels, message):
    install("odd", {"cells": "plugged_odd:CELLS"}, {"plugged_odd": MODULE.format(images=images, labels=labels)})
    source = find_source("cells")
    with pytest.raises(DataError, match=f"data set 'cells' has {message}"):
        source.load()
