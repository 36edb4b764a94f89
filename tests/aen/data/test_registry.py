"""Data sets of other packages: found by their entry points, beside the built-in ones."""

import sys

import numpy as np
import pytest
from helpers import fake_data
from helpers.plugins import install_package

from aen.data import SOURCES, DataSpec, load_dataset, pinned
from aen.data.check import check_data
from aen.data.fetch import fetch
from aen.data.registry import all_sources, find_files, find_source
from aen.errors import DataError
from aen_agents.cli.main import main

CELLS = """
import torch

from aen.data import Pool, Source
from aen.data.source import file_source, layouts_in
from aen.data.npz import read_npz


def load():
    source = torch.Generator().manual_seed(0)
    return Pool(torch.rand(90, 1, 6, 6, generator=source), torch.arange(90) % 3)


CELLS = Source(load, side=6, classes=3, images=(90,))
STORED = file_source(
    "stored",
    layouts_in(["stored"], ["cells.bin"], lambda paths: read_npz(paths[0]), packed=False),
    side=6,
    classes=3,
    images=(60, 30),
    how_to_get="Ask for it at https://cells.example/.",
)
"""


@pytest.fixture
def site(tmp_path, monkeypatch):
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    yield folder
    for name in [name for name in sys.modules if name.startswith("plugged_")]:
        del sys.modules[name]


@pytest.fixture
def cells(site, data_folder):
    names = {"cells": "plugged_cells:CELLS", "stored": "plugged_cells:STORED"}
    install_package(site, "cells-data", {"aen.data_sets": names}, {"plugged_cells": CELLS})
    return data_folder


@pytest.mark.usefixtures("cells")
def test_it_is_loaded_split_and_checked_by_its_name():
    spec = DataSpec("cells", train=40, validation=20, test=30)
    assert DataSpec.from_json(spec.to_json()) == spec
    dataset = load_dataset(spec)
    assert (dataset.classes, dataset.side, len(dataset.train.labels)) == (3, 6, 40)
    checked = check_data("cells")
    assert [part.per_class for part in checked.parts] == [(30, 30, 30)]
    assert pinned("cells") == "cells"
    with pytest.raises(DataError, match="'cells' comes with its package; there is nothing to fetch"):
        fetch("cells")


def test_its_files_are_looked_for_in_the_data_folders(cells):
    assert find_files("stored") is None
    with pytest.raises(DataError, match=r"'stored' was not found.* Ask for it at .* Or put cells\.bin into"):
        find_source("stored").load()
    with pytest.raises(DataError, match=r"cannot be fetched. Ask for it at https://cells.example/. Put .*cells\.bin"):
        fetch("stored")
    arrays = {"train_images": np.zeros((60, 6, 6), np.uint8), "train_labels": np.arange(60) % 3}
    arrays |= {"test_images": np.zeros((30, 6, 6), np.uint8), "test_labels": np.arange(30) % 3}
    fake_data.write_npz(cells / "stored.npz", **arrays)
    (cells / "stored").mkdir()
    (cells / "stored.npz").rename(cells / "stored" / "cells.bin")
    assert [sum(part.per_class) for part in check_data("stored").parts] == [60, 30]


@pytest.mark.usefixtures("cells")
def test_it_is_listed_and_offered_where_a_name_is_misspelt(capsys):
    with pytest.raises(DataError, match=r"unknown data set 'cels' \(did you mean 'cells'\?\)"):
        find_source("cels")
    assert main(["data", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    names = [line.split()[0] for line in lines[1 : lines.index("")]]
    assert names == [*SOURCES, "cells", "stored"]
    assert main(["data", "check", "cells"]) == 0
    assert "cells is ok" in capsys.readouterr().out


@pytest.mark.usefixtures("cells")
def test_a_broken_one_is_named_with_its_package_and_disturbs_no_other(site, capsys):
    names = {"broken": "plugged_absent:CELLS", "odd": "plugged_odd:ODD", "mnist": "plugged_odd:ODD"}
    install_package(site, "bad-data", {"aen.data_sets": names}, {"plugged_odd": "ODD = 3"})
    with pytest.raises(
        DataError, match=r"data set 'broken' cannot be used: .* of the package bad-data .*No module named 'plugged_abs"
    ):
        find_source("broken")
    with pytest.raises(DataError, match=r"data set 'odd' cannot be used: .* is a int, not an aen.data.Source"):
        find_source("odd")
    assert find_source("mnist") is SOURCES["mnist"]
    assert find_source("cells").classes == 3
    sources, broken = all_sources()
    assert list(sources) == [*SOURCES, "cells", "stored"]
    assert set(broken) == {"broken", "odd", "mnist"}
    assert "built into aen" in str(broken["mnist"])
    assert main(["data", "list"]) == 0
    out = capsys.readouterr().out
    assert "unusable: the entry point 'broken = plugged_absent:CELLS' of the package bad-data" in out


@pytest.mark.usefixtures("data_folder")
def test_entry_points_are_read_only_where_no_built_in_name_fits(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("entry points were read")

    monkeypatch.setattr("aen.data.registry.load_plugin", refuse)
    monkeypatch.setattr("aen.data.registry.plugin_names", refuse)
    for name in [*SOURCES, "emnist", "gmnist-rot90", "isic-64:skip-missing"]:
        find_source(name)
    with pytest.raises(AssertionError, match="were read"):
        find_source("cells")
