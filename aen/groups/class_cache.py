"""Class tables on disk: what an enumeration found, keyed by all that it depends on."""

import hashlib
import json
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from aen._typing import JsonDict
from aen.groups.alphabet import Alphabet
from aen.groups.classes import ClassTable, NetworkClass, check_enumerable, enumerate_classes

# Part of every key: raise it when the same alphabet and grids would give another table.
_VERSION = "classes-1"


def cache_folder() -> Path:
    """Return where aen keeps what it can compute again: ``$AEN_CACHE``, or ``aen`` in the user's cache folder."""
    own = os.environ.get("AEN_CACHE")
    if own:
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "aen"


def load_classes(alphabet: Alphabet, sides: Sequence[int]) -> ClassTable:
    """Return what `enumerate_classes` returns, from the cache if it is there.

    A file that is damaged or does not fit is computed and written again; a folder that cannot be written is done
    without.

    Raises:
        GroupError: as `enumerate_classes`.
    """
    check_enumerable(alphabet, sides)
    content = [_VERSION, [factor.to_json() for factor in alphabet.factors], list(sides)]
    name = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:24]
    try:
        path = cache_folder() / "classes" / f"{name}.json"
    except RuntimeError:  # this user has no home folder
        return enumerate_classes(alphabet, sides)
    table = _read(path, alphabet, tuple(sides))
    if table is None:
        table = enumerate_classes(alphabet, sides)
        _write(path, table)
    else:
        table.remember_keys()
    return table


def _read(path: Path, alphabet: Alphabet, sides: tuple[int, ...]) -> ClassTable | None:
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        if stored["digest"] != _digest(path.stem, stored["classes"], stored["class_of_state"]):
            return None
        classes = tuple(NetworkClass(**(item | {"orbits": tuple(item["orbits"])})) for item in stored["classes"])
        class_of_state = np.array(stored["class_of_state"], dtype=np.int64)
        states = np.bincount(class_of_state, minlength=len(classes))
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    fits = len(class_of_state) == 2 ** len(alphabet) and [c.states for c in classes] == list(states)
    return ClassTable(alphabet, sides, classes, class_of_state) if fits else None


def _write(path: Path, table: ClassTable) -> None:
    classes = [vars(network_class) | {"orbits": list(network_class.orbits)} for network_class in table.classes]
    states = table.class_of_state.tolist()
    content = {"digest": _digest(path.stem, classes, states), "classes": classes, "class_of_state": states}
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(json.dumps(content), encoding="utf-8")
        part.replace(path)
    except OSError:
        with suppress(OSError):
            part.unlink()


def _digest(*content: JsonDict | list[JsonDict] | list[int] | str) -> str:
    """Return a checksum of a table and of what it is a table of: a wrong class key would spoil every result's key."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
