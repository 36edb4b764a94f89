"""A cache on disk of class tables, keyed by everything that an enumeration of classes depends on."""

import hashlib
import json
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from aen._files import write_atomically
from aen._typing import JsonDict
from aen.groups.alphabet import Alphabet
from aen.groups.classes import ClassTable, NetworkClass, check_enumerable, enumerate_classes, layer_sides
from aen.groups.layerwise_classes import LayerwiseClassTable, count_layerwise_classes, enumerate_layerwise_classes

# Part of every key: raise it when the same alphabet and grids would give another table.
_VERSION = "classes-1"
_LAYERWISE_VERSION = "layerwise-classes-1"


def cache_folder() -> Path:
    """Return the folder of aen's caches: ``$AEN_CACHE``, or ``aen`` in the user's cache folder."""
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
    path = _path(_VERSION, alphabet, sides)
    if path is None:
        return enumerate_classes(alphabet, sides)
    table = _read(path, alphabet, tuple(sides))
    if table is None:
        table = enumerate_classes(alphabet, sides)
        classes = [vars(network_class) | {"orbits": list(network_class.orbits)} for network_class in table.classes]
        _write(path, {"classes": classes, "class_of_state": table.class_of_state.tolist()})
    else:
        table.remember_keys()
    return table


def load_layerwise_classes(alphabet: Alphabet, sides: Sequence[int]) -> LayerwiseClassTable:
    """Return the classes of each layer and of all choices among them; the expensive parts come from the cache.

    Args:
        alphabet: the factors on offer in every layer.
        sides: the child's grids, input first.

    Raises:
        GroupError: as `enumerate_classes`, or there are too many choices.
    """
    check_enumerable(alphabet, sides)
    shapes = layer_sides(sides)
    tables = {shape: load_classes(alphabet, shape) for shape in dict.fromkeys(shapes)}
    layers = tuple(tables[shape] for shape in shapes)
    count = count_layerwise_classes(layers)
    path = _path(_LAYERWISE_VERSION, alphabet, sides)
    if path is None:
        return enumerate_layerwise_classes(layers)
    keys = _read_keys(path, count)
    if keys is not None:
        return LayerwiseClassTable(layers, keys)
    table = enumerate_layerwise_classes(layers)
    _write(path, {"keys": list(table.keys)})
    return table


def _path(version: str, alphabet: Alphabet, sides: Sequence[int]) -> Path | None:
    """Return the cache file of a table that depends on these values; None if there is no cache folder."""
    content = [version, [factor.to_json() for factor in alphabet.factors], list(sides)]
    name = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:24]
    try:
        return cache_folder() / "classes" / f"{name}.json"
    except RuntimeError:  # this user has no home folder
        return None


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


def _read_keys(path: Path, count: int) -> tuple[str, ...] | None:
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        good = stored["digest"] == _digest(path.stem, stored["keys"]) and len(stored["keys"]) == count
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return tuple(stored["keys"]) if good else None


def _write(path: Path, content: JsonDict) -> None:
    text = json.dumps({"digest": _digest(path.stem, *content.values())} | content)
    with suppress(OSError):  # without the file, the table is computed again next time
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, text, durable=False)


def _digest(*content: object) -> str:
    """Return a checksum of a table and of what it is a table of: a wrong class key would spoil every result's key."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
