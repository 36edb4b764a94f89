"""Writes and reads checkpoints: consistent states of an explorer.

A checkpoint is two files. ``checkpoint-7.npz`` holds the arrays and, as an additional array, the state as JSON. It
is written first; ``checkpoint-7.json`` follows, with the name of the first file, its SHA-256 and the version. Both are
synced to the disk before older checkpoints are removed. The last two checkpoints are kept: if the last one is damaged,
the one before it is used.
"""

import hashlib
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from aen._files import make_folder, write_atomically
from aen._reading import MALFORMED, MALFORMED_ZIP, MAX_SMALL, MAX_WEIGHTS, parse_json, read_bytes, read_json
from aen._typing import JsonDict
from aen.errors import RunFolderError
from aen_agents.agents.dqn.visits import Visits
from aen_agents.errors import UnreadableError, what_is_wrong
from aen_agents.runs.lost import check_not_lost

VERSION = 1  # raise it when a part of a checkpoint is removed or changes its meaning
KEPT = 2
_STATE = "state.json"
_NAME = re.compile(r"checkpoint-(\d+)\.json")

Arrays = Mapping[str, npt.NDArray[Any]]


class _DamagedError(ValueError):
    """The files of a checkpoint do not match."""


@dataclass(frozen=True)
class Loaded:
    """A checkpoint that was read and verified.

    Attributes:
        number: its number in the run, from 1.
        arrays: the arrays that were saved.
        state: the state that was saved.
    """

    number: int
    arrays: dict[str, npt.NDArray[Any]]
    state: JsonDict


def save(folder: Path, arrays: Arrays, state: JsonDict) -> None:
    """Write a checkpoint, and remove all but the last two.

    Args:
        folder: the folder of the checkpoints; it is created if it does not exist.
        arrays: numerical arrays by name.
        state: a JSON value.

    Raises:
        RunFolderError: it cannot be written; earlier checkpoints stay.
        TypeError: an array holds Python objects.
    """
    objects = [name for name, array in arrays.items() if array.dtype.hasobject]
    if objects:
        raise TypeError(
            f"array {objects[0]!r} holds Python objects, which cannot be saved without pickle; convert it to numbers"
        )
    check_not_lost(folder)
    content = io.BytesIO()
    text = np.frombuffer(json.dumps(state).encode(), dtype=np.uint8)
    everything: dict[str, Any] = {**arrays, _STATE: text}
    np.savez(content, **everything)
    data = content.getbuffer()
    try:
        make_folder(folder)
        number = max(_numbers(folder), default=0) + 1
        head = {
            "version": VERSION,
            "aen": version("aen"),
            "file": f"checkpoint-{number}.npz",
            "sha256": hashlib.sha256(data).hexdigest(),
        }
        write_atomically(folder / f"checkpoint-{number}.npz", data, durable=True)
        write_atomically(folder / f"checkpoint-{number}.json", json.dumps(head) + "\n", durable=True)
        _clear(folder, number)
    except OSError as error:
        raise RunFolderError(
            f"checkpoint in {folder} cannot be written: {error.strerror}; make room and resume the run."
        ) from error


def load(folder: Path, notice: Callable[[str], None]) -> Loaded | None:
    """Return the last intact checkpoint, or None; see `intact`."""
    return next(intact(folder, notice), None)


def intact(folder: Path, notice: Callable[[str], None]) -> Iterator[Loaded]:
    """Yield the intact checkpoints, the last one first.

    Args:
        folder: the folder of the checkpoints.
        notice: called with a message for each damaged checkpoint.

    Raises:
        RunFolderError: a checkpoint has an unsupported version, or may not be read.
    """
    for number in sorted(_numbers(folder), reverse=True):
        try:
            yield Loaded(number, *_read(folder / f"checkpoint-{number}.json"))
        except FileNotFoundError as error:
            notice(f"checkpoint {number} in {folder} is damaged and not used: {Path(error.filename).name} is missing")
        except (OSError, *MALFORMED, *MALFORMED_ZIP) as error:
            if isinstance(error, OSError) and error.errno is not None:  # not a reason to start from the beginning
                raise UnreadableError.of(Path(error.filename or folder), error) from error
            why = str(error) if isinstance(error, _DamagedError) else what_is_wrong(error)
            notice(f"checkpoint {number} in {folder} is damaged and not used: {why}")


def _numbers(folder: Path) -> list[int]:
    """Return the numbers of the checkpoints that were written completely, damaged ones included."""
    if not folder.is_dir():
        return []
    return [int(found[1]) for path in folder.iterdir() if (found := _NAME.fullmatch(path.name))]


def _read(path: Path) -> tuple[dict[str, npt.NDArray[Any]], JsonDict]:
    head = read_json(path, MAX_SMALL)
    if not isinstance(head, dict) or not isinstance(head.get("version"), int):
        raise _DamagedError(f"{path.name} has no version")
    if head["version"] != VERSION:
        raise RunFolderError(
            f"{path} has checkpoint version {head['version']}, written by aen {head.get('aen', 'unknown')}; this is "
            f"aen {version('aen')}, which supports version {VERSION}. Resume with that version of aen, or remove "
            f"{path.parent}/checkpoint-*: exploring then starts from the beginning, and nothing is trained again."
        )
    data = read_bytes(path.with_suffix(".npz"), MAX_WEIGHTS)
    if head["file"] != path.with_suffix(".npz").name or hashlib.sha256(data).hexdigest() != head["sha256"]:
        raise _DamagedError(f"{path.with_suffix('.npz').name} does not match the SHA-256 in {path.name}")
    with np.load(io.BytesIO(data), allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    state = parse_json(arrays.pop(_STATE).tobytes().decode())
    return arrays, state


def _clear(folder: Path, last: int) -> None:
    """Remove checkpoints older than the last two, also incomplete ones."""
    for path in folder.glob("checkpoint-*"):
        number = path.name.removeprefix("checkpoint-").partition(".")[0]
        if number.isdigit() and int(number) <= last - KEPT:
            path.unlink(missing_ok=True)


def last_checkpoint(folder: Path, visits: Visits, notice: Callable[[str], None]) -> Loaded | None:
    """Return the last intact checkpoint that matches the history, and restore its visits.

    Args:
        folder: the folder of the checkpoints.
        visits: visits without any yet; those of the checkpoint are restored.
        notice: called with the step at which the run resumes, and with the reason if a later checkpoint is not used.

    Returns:
        The checkpoint; None if there is none, so that exploring starts from the beginning.

    Raises:
        RunFolderError: a checkpoint has an unsupported version, or may not be read.
    """
    notices: list[str] = []
    for checkpoint in intact(folder, notices.append):
        if visits.resume(checkpoint.state["visits"]):
            notices.append(f"resuming after step {visits.steps}")
            break
        notices.append(f"checkpoint {checkpoint.number} is not used: the history does not match it")
    else:
        checkpoint = None
        if notices:
            notices.append("no usable checkpoint is left: exploring starts again; stored results are not trained again")
    for text in notices:
        notice(text)
    return checkpoint
