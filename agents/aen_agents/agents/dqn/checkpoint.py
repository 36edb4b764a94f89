"""Checkpoints: one consistent state of an explorer, on disk whole or not at all.

A checkpoint is two files. ``checkpoint-7.npz`` holds the arrays and, as one more of them, the state as JSON. It is
written first; then ``checkpoint-7.json``, which is small and names it, its SHA-256 and the version. Both are synced to
the disk before the one before them counts as old. The last two checkpoints are kept: if one is torn or damaged, the one
before it is used.
"""

import hashlib
import io
import json
import os
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from aen._typing import JsonDict
from aen.errors import RunFolderError
from aen_agents.agents.dqn.visits import Visits
from aen_agents.errors import what_is_wrong

VERSION = 1  # raise it when what a checkpoint holds goes or changes its meaning
KEPT = 2
_STATE = "state.json"
_NAME = re.compile(r"checkpoint-(\d+)\.json")

Arrays = Mapping[str, npt.NDArray[Any]]


class _DamagedError(ValueError):
    """A checkpoint that is not what it says it is."""


@dataclass(frozen=True)
class Loaded:
    """A checkpoint that was read and found whole.

    Attributes:
        number: the checkpoints of a run are counted from 1.
        arrays: as they were given.
        state: as it was given.
    """

    number: int
    arrays: dict[str, npt.NDArray[Any]]
    state: JsonDict


def save(folder: Path, arrays: Arrays, state: JsonDict) -> None:
    """Write a checkpoint, and remove all but the last two.

    Args:
        folder: where it goes; it is made if it is not there.
        arrays: of numbers, by name.
        state: whatever JSON can hold.

    Raises:
        RunFolderError: it cannot be written; the checkpoints before it stay.
    """
    objects = [name for name, array in arrays.items() if array.dtype.hasobject]
    if objects:
        raise TypeError(f"array {objects[0]!r} is of Python objects, which only a pickle could hold")
    content = io.BytesIO()
    text = np.frombuffer(json.dumps(state).encode(), dtype=np.uint8)
    everything: dict[str, Any] = {**arrays, _STATE: text}
    np.savez(content, **everything)
    data = content.getbuffer()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        number = max(_numbers(folder), default=0) + 1
        head = {
            "version": VERSION,
            "aen": version("aen"),
            "file": f"checkpoint-{number}.npz",
            "sha256": hashlib.sha256(data).hexdigest(),
        }
        _write(folder / f"checkpoint-{number}.npz", data)
        _write(folder / f"checkpoint-{number}.json", json.dumps(head).encode() + b"\n")
        _clear(folder, number)
    except OSError as error:
        raise RunFolderError(
            f"checkpoint in {folder} cannot be written: {error.strerror}; make room and go on with the run."
        ) from error


def load(folder: Path, notice: Callable[[str], None]) -> Loaded | None:
    """Return the last checkpoint that is whole, or None; see `intact`."""
    return next(intact(folder, notice), None)


def intact(folder: Path, notice: Callable[[str], None]) -> Iterator[Loaded]:
    """Yield the checkpoints that are whole, the last one first.

    Args:
        folder: where they are.
        notice: is told of each that is torn or damaged.

    Raises:
        RunFolderError: a checkpoint is of another version.
    """
    for number in sorted(_numbers(folder), reverse=True):
        try:
            yield Loaded(number, *_read(folder / f"checkpoint-{number}.json"))
        except (OSError, ValueError, TypeError, KeyError, zipfile.BadZipFile) as error:
            why = str(error) if isinstance(error, _DamagedError) else what_is_wrong(error)
            notice(f"checkpoint {number} in {folder} is damaged and not used: {why}")


def _numbers(folder: Path) -> list[int]:
    """Return the numbers of the checkpoints that were finished, damaged ones too."""
    if not folder.is_dir():
        return []
    return [int(found[1]) for path in folder.iterdir() if (found := _NAME.fullmatch(path.name))]


def _read(path: Path) -> tuple[dict[str, npt.NDArray[Any]], JsonDict]:
    head = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(head, dict) or not isinstance(head.get("version"), int):
        raise _DamagedError(f"{path.name} has no version")
    if head["version"] != VERSION:
        raise RunFolderError(
            f"{path} is of checkpoint version {head['version']}, written by aen {head.get('aen', 'unknown')}; this is "
            f"aen {version('aen')}, which knows version {VERSION}. Go on with that aen, or remove "
            f"{path.parent}/checkpoint-*: exploring then starts anew, and nothing is trained again."
        )
    data = path.with_suffix(".npz").read_bytes()
    if head["file"] != path.with_suffix(".npz").name or hashlib.sha256(data).hexdigest() != head["sha256"]:
        raise _DamagedError(f"{path.with_suffix('.npz').name} is not what {path.name} says it is")
    with np.load(io.BytesIO(data), allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    state = json.loads(arrays.pop(_STATE).tobytes())
    return arrays, state


def _write(path: Path, data: bytes | memoryview) -> None:
    """Write a file so that it is on the disk, whole, under its name, or not at all."""
    part = path.with_name(f"{path.name}.part")
    try:
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _clear(folder: Path, last: int) -> None:
    """Remove what is older than the last two, and arrays that no JSON names: their writing was cut short."""
    for path in folder.glob("checkpoint-*"):
        number = path.name.removeprefix("checkpoint-").partition(".")[0]
        if number.isdigit() and int(number) <= last - KEPT:
            path.unlink(missing_ok=True)


def last_checkpoint(folder: Path, visits: Visits, notice: Callable[[str], None]) -> Loaded | None:
    """Return the last checkpoint that is whole and whose visits the history has, which are taken up.

    Args:
        folder: where checkpoints are.
        visits: of a run that has made no visit yet.
        notice: is told where the run goes on, and why not from a later checkpoint.

    Returns:
        The checkpoint; None: there is none, and all is walked anew.

    Raises:
        RunFolderError: a checkpoint is of another version.
    """
    damaged: list[str] = []
    for checkpoint in intact(folder, damaged.append):
        if visits.go_on(checkpoint.state["visits"]):
            damaged.append(f"going on after step {visits.steps}")
            break
        damaged.append(f"the history is not that of checkpoint {checkpoint.number}, which is not used")
    else:
        checkpoint = None
        if damaged:
            damaged.append("no checkpoint is left: exploring begins anew; what is in the store is not trained again")
    for text in damaged:
        notice(text)
    return checkpoint
