"""Damaged files and a full disk cost steps, but never the result."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.broken_runs import assert_same, broken_walk, walk

from aen.errors import RunFolderError


def newest(folder: Path, end: str, back: int = 0) -> Path:
    found = sorted((folder / "agent").glob(f"checkpoint-*.{end}"), key=lambda path: int(path.stem.split("-")[1]))
    return found[-1 - back]


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def tear_history(folder: Path) -> None:
    history = folder / "history.jsonl"
    history.write_bytes(history.read_bytes() + b'{"step": 2')


def lose_history(folder: Path) -> None:
    """The disk lost the last lines that the last checkpoint counts, but not those of the one before it."""
    history = folder / "history.jsonl"
    history.write_bytes(b"".join(history.read_bytes().splitlines(keepends=True)[:-2]))


def change_history(folder: Path) -> None:
    history = folder / "history.jsonl"
    history.write_bytes(history.read_bytes().replace(b'"step": 3', b'"step": 4', 1))


def damage_both(folder: Path) -> None:
    cut(newest(folder, "npz"))
    cut(newest(folder, "json", back=1))


DAMAGES: dict[str, tuple[Callable[[Path], object], list[str]]] = {
    "history torn": (tear_history, ["resuming after step 19"]),
    "history short": (lose_history, ["the history does not match it", "resuming after step 18"]),
    "history changed": (
        change_history,
        ["the history does not match", "the history does not match", "no usable checkpoint is left"],
    ),
    "history gone": (
        lambda folder: (folder / "history.jsonl").unlink(),
        ["the history does not match", "the history does not match", "no usable checkpoint is left"],
    ),
    "arrays torn": (lambda folder: cut(newest(folder, "npz")), ["is damaged and not used", "resuming after step 18"]),
    "json torn": (lambda folder: cut(newest(folder, "json")), ["is damaged and not used", "resuming after step 18"]),
    "both": (damage_both, ["is damaged and not used", "is damaged and not used", "no usable checkpoint is left"]),
    "none": (lambda folder: shutil.rmtree(folder / "agent"), []),
}


# These come to the same as others of them.
SLOW = {"history gone", "json torn", "both"}


@pytest.mark.parametrize(
    ("damage", "expected"),
    [pytest.param(*case, id=name, marks=pytest.mark.slow if name in SLOW else ()) for name, case in DAMAGES.items()],
)
def test_damage_costs_steps_but_never_the_result(
    damage: Callable[[Path], object], expected: list[str], whole: Path, tmp_path: Path
) -> None:
    broken_walk(tmp_path, 20)
    damage(tmp_path)
    _, notices = walk(tmp_path)
    assert len(notices) == len(expected)
    assert all(part in notice for part, notice in zip(expected, notices, strict=True))
    assert_same(tmp_path, whole)


def test_a_folder_in_place_of_a_checkpoint_is_named(tmp_path: Path) -> None:
    broken_walk(tmp_path, 20)
    file = newest(tmp_path, "json")
    file.unlink()
    file.mkdir()
    with pytest.raises(RunFolderError, match=rf"{file}.* (is a folder|[Ii]s a directory)"):
        walk(tmp_path)


def test_a_full_disk_ends_the_walk_and_keeps_it(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = os.write
    left = [30]

    def write(file: int, data: bytes) -> int:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(28, "No space left on device")
        return written(file, data[:9] if left[0] == 0 else data)

    monkeypatch.setattr(os, "write", write)
    with pytest.raises(RunFolderError, match=r"history\.jsonl cannot be written: No space left on device; make room"):
        walk(tmp_path)
    monkeypatch.undo()
    assert not (tmp_path / "history.jsonl").read_bytes().endswith(b"\n")
    walk(tmp_path)
    assert_same(tmp_path, whole)
