"""A cache on disk of class tables, keyed by everything that an enumeration of classes depends on.

What is read is checked by `aen.groups.table_check`: a wrong class key would spoil every result's key.
"""

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from aen._cache import new_private, open_private, private_folder
from aen._typing import JsonDict
from aen.groups.alphabet import Alphabet
from aen.groups.classes import (
    MAX_REMEMBERED_STATES,
    ClassTable,
    NetworkClass,
    check_enumerable,
    enumerate_classes,
    layer_grids,
)
from aen.groups.grid import Grid, grids_as_json
from aen.groups.group_names import group_names
from aen.groups.layerwise_classes import LayerwiseClassTable, count_layerwise_classes, enumerate_layerwise_classes
from aen.groups.table_check import is_consistent, keys_are_right

# Part of every key: raise it when the same alphabet and grids would give another table.
_VERSION = "classes-1"
_LAYERWISE_VERSION = "layerwise-classes-1"

# The tables that this process used last, by version, alphabet and grids; for `known_classes`.
_Asked = tuple[str, Alphabet, tuple[Grid, ...]]
_LOADED: dict[_Asked, Any] = {}
_MAX_LOADED = 16


def load_classes(alphabet: Alphabet, grids: Sequence[Grid]) -> ClassTable:
    """Return what `enumerate_classes` returns, with `group_names`, from the cache if it is there.

    A file that is damaged or does not fit is computed and written again; a folder that cannot be written is done
    without. Above 16,384 states there are no `group_names`.

    Raises:
        GroupError: as `enumerate_classes`.
    """
    check_enumerable(alphabet, grids)
    path = _path(_VERSION, alphabet, grids)
    table = None if path is None else _read(path, alphabet, tuple(grids))
    if table is None:
        table = enumerate_classes(alphabet, grids)
        unsaved = True
    else:
        table.remember_keys()
        unsaved = False
    if not table.group_names and len(table.class_of_state) <= MAX_REMEMBERED_STATES:
        table = replace(table, group_names=group_names(alphabet, grids))
        unsaved = True
    if unsaved and path is not None:
        _write(path, _content(table))
    _keep(_VERSION, alphabet, grids, table)
    return table


def known_classes(alphabet: Alphabet, grids: Sequence[Grid], *, read: bool = True) -> ClassTable | None:
    """Return the table of `load_classes` if this process or the cache has it, and enumerate nothing.

    Args:
        alphabet: the factors.
        grids: the child's grids, input first.
        read: whether to look into the cache on disk.
    """
    known: ClassTable | None = _LOADED.get((_VERSION, alphabet, tuple(grids)))
    if known is not None or not read:
        return known
    path = _path(_VERSION, alphabet, grids)
    if path is None or not path.is_file() or _read(path, alphabet, tuple(grids)) is None:
        return None
    return load_classes(alphabet, grids)


def load_layerwise_classes(alphabet: Alphabet, grids: Sequence[Grid]) -> LayerwiseClassTable:
    """Return the classes of each layer and of all choices among them; the expensive parts come from the cache.

    Args:
        alphabet: the factors on offer in every layer.
        grids: the child's grids, input first.

    Raises:
        GroupError: as `enumerate_classes`, or there are too many choices.
    """
    check_enumerable(alphabet, grids)
    shapes = layer_grids(grids)
    tables = {shape: load_classes(alphabet, shape) for shape in dict.fromkeys(shapes)}
    layers = tuple(tables[shape] for shape in shapes)
    count = count_layerwise_classes(layers)
    path = _path(_LAYERWISE_VERSION, alphabet, grids)
    table = None if path is None else _read_layerwise(path, layers, count)
    if table is None:
        table = enumerate_layerwise_classes(layers)
        if path is not None:
            _write(path, {"keys": list(table.keys)})
    _keep(_LAYERWISE_VERSION, alphabet, grids, table)
    return table


def known_layerwise_classes(
    alphabet: Alphabet, grids: Sequence[Grid], *, read: bool = True
) -> LayerwiseClassTable | None:
    """Return the table of `load_layerwise_classes` if this process or the cache has it, and enumerate nothing.

    The arguments are those of `known_classes`.
    """
    known: LayerwiseClassTable | None = _LOADED.get((_LAYERWISE_VERSION, alphabet, tuple(grids)))
    if known is not None or not read:
        return known
    layers = [known_classes(alphabet, shape) for shape in layer_grids(grids)]
    path = _path(_LAYERWISE_VERSION, alphabet, grids)
    found = [layer for layer in layers if layer is not None]
    if path is None or len(found) < len(layers):
        return None
    table = _read_layerwise(path, tuple(found), prod(len(layer.classes) for layer in found))
    if table is None:
        return None
    _keep(_LAYERWISE_VERSION, alphabet, grids, table)
    return table


def _keep(version: str, alphabet: Alphabet, grids: Sequence[Grid], table: ClassTable | LayerwiseClassTable) -> None:
    _LOADED[version, alphabet, tuple(grids)] = table
    for oldest in list(_LOADED)[:-_MAX_LOADED]:
        _LOADED.pop(oldest, None)


def _path(version: str, alphabet: Alphabet, grids: Sequence[Grid]) -> Path | None:
    """Return the cache file of a table that depends on these values; None if there is no cache folder."""
    content = [version, [factor.to_json() for factor in alphabet.factors], grids_as_json(grids)]
    name = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:24]
    folder = private_folder("classes")
    return None if folder is None else folder / f"{name}.json"


def _content(table: ClassTable) -> JsonDict:
    classes = [vars(network_class) | {"orbits": list(network_class.orbits)} for network_class in table.classes]
    content = {"classes": classes, "class_of_state": table.class_of_state.tolist()}
    if not table.group_names:
        return content
    names = list(dict.fromkeys(table.group_names))
    number = {name: place for place, name in enumerate(names)}
    return content | {"groups": names, "group_of_state": [number[name] for name in table.group_names]}


def _read(path: Path, alphabet: Alphabet, grids: tuple[Grid, ...]) -> ClassTable | None:
    try:
        stored = _load(path)
        digest = stored.pop("digest")
        if digest != _digest(path.stem, *stored.values()):
            return None
        classes = tuple(NetworkClass(**(item | {"orbits": tuple(item["orbits"])})) for item in stored["classes"])
        class_of_state = np.array(stored["class_of_state"], dtype=np.int64)
        # Files of earlier versions have no names.
        names = tuple(stored["groups"][number] for number in stored.get("group_of_state", ()))
        table = ClassTable(alphabet, grids, classes, class_of_state, names)
        return table if is_consistent(table) else None
    except (OSError, ValueError, KeyError, TypeError, RecursionError, AttributeError, IndexError, OverflowError):
        return None


def _read_layerwise(path: Path, layers: tuple[ClassTable, ...], count: int) -> LayerwiseClassTable | None:
    try:
        stored = _load(path)
        if stored["digest"] != _digest(path.stem, stored["keys"]) or len(stored["keys"]) != count:
            return None
        table = LayerwiseClassTable(layers, tuple(stored["keys"]))
        return table if keys_are_right(table) else None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _load(path: Path) -> JsonDict:
    with open_private(path) as file:
        content: JsonDict = json.loads(file.read())
    return content


def _write(path: Path, content: JsonDict) -> None:
    text = json.dumps({"digest": _digest(path.stem, *content.values())} | content)
    with suppress(OSError), new_private(path) as file:  # without the file, the table is computed again next time
        file.write(text.encode())


def _digest(*content: object) -> str:
    """Return a checksum of a table and of what it is a table of: a wrong class key would spoil every result's key."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
