"""Checkpoints on disk: whole or not at all."""

import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from aen.errors import RunFolderError
from aen_agents.agents.dqn.checkpoint import intact, load, save


@pytest.fixture
def told() -> list[str]:
    return []


def save_three(folder: Path) -> None:
    for number in (1, 2, 3):
        save(folder, {"weights/a": np.full((2, 3), number, np.float32)}, {"number": number, "text": "ä"})


def test_what_is_saved_is_loaded(tmp_path: Path, told: list[str]) -> None:
    arrays = {
        "floats": np.array([0.1, np.nan, np.inf]),
        "a/b.c": np.arange(6, dtype=np.int8).reshape(2, 3),
        "none": np.zeros((0, 4), np.float32),
        "one": np.array(7, np.uint64),
    }
    state = {"large": 2**127, "list": [0.1, None, True], "text": "ä"}
    save(tmp_path / "agent", arrays, state)
    loaded = load(tmp_path / "agent", told.append)
    assert loaded is not None
    assert (loaded.number, loaded.state, told) == (1, state, [])
    assert loaded.arrays.keys() == arrays.keys()
    for name, array in arrays.items():
        assert loaded.arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(loaded.arrays[name], array)


def test_nothing_is_loaded_where_nothing_is(tmp_path: Path, told: list[str]) -> None:
    assert load(tmp_path / "not there", told.append) is None
    (tmp_path / "checkpoint-1.npz").write_bytes(b"cut short: no JSON names it")
    (tmp_path / "dqn.zip").write_bytes(b"")
    assert load(tmp_path, told.append) is None
    assert told == []


def test_the_last_two_are_kept(tmp_path: Path, told: list[str]) -> None:
    (tmp_path / "checkpoint-1.npz.part").write_bytes(b"left by a killed process")
    save_three(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        f"checkpoint-{number}.{end}" for number in (2, 3) for end in ("json", "npz")
    ]
    assert [loaded.number for loaded in intact(tmp_path, told.append)] == [3, 2]


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


DAMAGE = {"cut": cut, "flip": flip, "empty": lambda path: path.write_bytes(b""), "gone": Path.unlink}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
@pytest.mark.parametrize("end", ["npz", "json"])
def test_a_damaged_checkpoint_gives_way_to_the_one_before(
    end: str, damage: Callable[[Path], object], tmp_path: Path, told: list[str]
) -> None:
    save_three(tmp_path)
    damage(tmp_path / f"checkpoint-3.{end}")
    loaded = load(tmp_path, told.append)
    assert loaded is not None
    assert (loaded.number, loaded.state["number"]) == (2, 2)
    assert loaded.arrays["weights/a"].max() == 2
    unfinished = (end, damage) == ("json", Path.unlink)  # then it looks like one that was never finished
    assert len(told) == (0 if unfinished else 1)
    assert all("checkpoint 3" in text and "damaged" in text for text in told)
    damage(tmp_path / f"checkpoint-2.{end}")
    assert load(tmp_path, told.append) is None
    save(tmp_path, {}, {"number": "next"})
    loaded = load(tmp_path, told.append)
    assert loaded is not None
    assert loaded.state == {"number": "next"}


@pytest.mark.parametrize("text", ["[]", "{}", '"x"', "null", '{"version": "1"}', '{"version": 1}', "\x00\xff"])
def test_json_of_something_else_is_damaged(text: str, tmp_path: Path, told: list[str]) -> None:
    save_three(tmp_path)
    (tmp_path / "checkpoint-3.json").write_text(text, encoding="latin-1")
    loaded = load(tmp_path, told.append)
    assert loaded is not None
    assert loaded.number == 2
    assert len(told) == 1
    assert not re.search("Error|object|line 1 column", told[0])  # it is for people


def test_no_pickle_is_opened(tmp_path: Path, told: list[str]) -> None:
    with pytest.raises(TypeError, match="'objects' holds Python objects"):
        save(tmp_path, {"objects": np.array([{}])}, {})
    assert load(tmp_path, told.append) is None


def test_another_version_is_refused(tmp_path: Path, told: list[str]) -> None:
    save_three(tmp_path)
    head = json.loads((tmp_path / "checkpoint-3.json").read_text())
    (tmp_path / "checkpoint-3.json").write_text(json.dumps(head | {"version": 2, "aen": "9.9"}))
    with pytest.raises(RunFolderError, match=r"version 2, written by aen 9\.9; this is aen .*which supports version 1"):
        load(tmp_path, told.append)


def test_a_full_disk_leaves_the_checkpoint_before(
    tmp_path: Path, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    save_three(tmp_path)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunFolderError, match="No space left on device; make room"):
        save(tmp_path, {}, {})
    assert not list(tmp_path.glob("*.part"))
    loaded = load(tmp_path, told.append)
    assert loaded is not None
    assert loaded.number == 3
