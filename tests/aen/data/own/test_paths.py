"""Names of own data with and without a pin, and paths that end like one."""

import pytest
from PIL import Image

from aen.data import DataSpec, data_spec, find_source, load_dataset
from aen.data.own.describe import describe
from aen.data.own.paths import find_own, own_path, placed, split_pin, split_pin_here
from aen.data.own.prepare import prepare
from aen.data.own.rules import Rules
from aen.errors import DataError

END = "@0123456789abcdef"


@pytest.fixture
def like_pinned(folder):
    """A folder whose name ends like a pin."""
    return folder.rename(folder.with_name(f"shapes{END}"))


def test_a_folder_whose_name_ends_like_a_pin(like_pinned):
    name = str(like_pinned)
    assert own_path(name) == placed(name) == name
    assert find_own(name) == like_pinned
    assert split_pin_here(name) == (name, None)
    assert describe(name).images == 30
    spec = data_spec(name)
    pin = prepare(name, Rules()).pin
    assert spec.name == f"{name}@{pin}"
    assert find_source(spec.name, spec.rules).pinned == spec.name
    assert data_spec(spec.name) == spec == DataSpec.from_json(spec.to_json())
    assert own_path(spec.name) == placed(spec.name) == spec.name
    assert split_pin(spec.name) == split_pin_here(spec.name) == (name, pin)
    assert len(load_dataset(spec).train.labels) == spec.train == 18


def test_its_pin_is_checked(like_pinned):
    spec = data_spec(str(like_pinned))
    Image.new("L", (12, 12)).save(like_pinned / "star/more.png")
    with pytest.raises(DataError, match=rf"shapes{END} has changed: the checksum of its content does not begin with"):
        find_source(spec.name, spec.rules)


def test_what_does_not_exist_under_the_whole_name_has_a_pin(folder):
    pinned = data_spec(str(folder)).name
    assert split_pin_here(pinned) == split_pin(pinned) == (str(folder), pinned[-16:])
    with pytest.raises(DataError, match=r"shapes has changed"):
        find_source(f"{folder}{END}", Rules())
    with pytest.raises(DataError, match=r"data path '.*gone' does not exist"):
        find_source(f"{folder}/gone{END}", Rules())


@pytest.mark.parametrize("place", ["working folder", "data folder"])
def test_relative_names(like_pinned, monkeypatch, tmp_path, place):
    if place == "data folder":
        (tmp_path / "elsewhere").mkdir()
        monkeypatch.setenv("AEN_DATA", str(tmp_path))
        monkeypatch.chdir(tmp_path / "elsewhere")
        expected = f"./{like_pinned.name}"
    else:
        monkeypatch.setenv("AEN_DATA", str(tmp_path / "elsewhere"))
        monkeypatch.chdir(tmp_path)
        expected = str(like_pinned)
    assert own_path(like_pinned.name) == expected
    assert placed(expected) == expected
    assert find_own(expected).samefile(like_pinned)
    spec = data_spec(expected)
    assert spec.name.startswith(f"{expected}@")
    assert own_path(spec.name) == placed(spec.name) == spec.name
    assert find_source(spec.name, spec.rules).images == (30,)


def test_own_path_keeps_the_pin_of_a_path_below_a_data_folder(folder, monkeypatch, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.setenv("AEN_DATA", str(tmp_path))
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert own_path(f"{folder.name}{END}") == f"./{folder.name}{END}"
    assert own_path(f"./{folder.name}/star") == f"./{folder.name}/star"
