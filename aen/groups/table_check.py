"""Checks that a class table that was read from a file can be that of its alphabet and grids.

The checks of all states are complete but for the keys themselves: computing the orbits of every class takes half as
long as enumerating the classes. So the keys and orbits of some classes, drawn at random, are computed: of all classes
of small networks, of two or more of large ones.
"""

import random
import re

import numpy as np

from aen._typing import IntArray
from aen.groups.class_digest import ClassDigest
from aen.groups.classes import ClassTable, layer_grids, mask_to_bits
from aen.groups.grid import cells_of
from aen.groups.layerwise_classes import LayerwiseClassTable
from aen.groups.orbits import Orbits, layer_orbits

_KEY = re.compile(r"[0-9a-f]{16}")
# Weights whose orbits are computed for the check: a few hundredths of a second.
_MAX_WEIGHTS = 2**19
_RANDOM = random.SystemRandom()  # whoever changes a file cannot know which classes are drawn


def is_consistent(table: ClassTable) -> bool:
    """Return whether a table can be that of its alphabet and grids; see the module's docstring.

    Args:
        table: with fields of the right types.
    """
    n, count = len(table.alphabet), len(table.classes)
    of_state, names, layers = table.class_of_state, table.group_names, len(layer_grids(table.grids))
    if of_state.shape != (2**n,) or not 0 <= of_state.min() <= of_state.max() < count:
        return False
    return (
        (not names or (len(names) == 2**n and all(type(name) is str for name in names)))
        and [c.representative for c in table.classes] == _representatives(of_state, count, n).tolist()
        and [c.states for c in table.classes] == np.bincount(of_state, minlength=count).tolist()
        and _are_keys([c.key for c in table.classes])
        and all(len(c.orbits) == layers and all(type(o) is int for o in c.orbits) for c in table.classes)
        and _is_lattice(table, n)
        and _drawn_are_right(table)
    )


def keys_are_right(table: LayerwiseClassTable) -> bool:
    """Return whether the keys of a layer-wise table can be right: all differ, and some, drawn at random, are computed.

    Args:
        table: of layers that are right, with as many keys as there are choices.
    """
    if not _are_keys(table.keys):
        return False
    grids = [table.layers[0].grids[0], *(layer.grids[-1] for layer in table.layers)]
    for place in _drawn(len(table.keys), sum(_weights(layer) for layer in table.layers)):
        rest, chosen = place, []
        for layer in reversed(table.layers):
            rest, number = divmod(rest, len(layer.classes))
            chosen.append((layer, number))
        digest = ClassDigest(grids)
        for layer, number in reversed(chosen):
            (orbits,) = _orbits(layer, layer.classes[number].representative)
            digest = digest.with_layer(orbits)
        if digest.key != table.keys[place]:
            return False
    return True


def _representatives(of_state: IntArray, count: int, n: int) -> IntArray:
    """Return the first state of each class, in the order of `NetworkClass.representative`; -1: it has none."""
    states = np.arange(2**n)
    bits = [states >> i & 1 for i in range(n)]
    first = sum((1 << 2 * n) * bit - (bit << (n - 1 - i)) for i, bit in enumerate(bits))
    order = np.argsort(first, kind="stable")
    found, places = np.unique(of_state[order], return_index=True)
    representatives = np.full(count, -1)
    representatives[found] = order[places]
    # The classes themselves are in this order, too.
    return representatives if len(found) == count and (np.diff(places) > 0).all() else np.full(count, -1)


def _is_lattice(table: ClassTable, n: int) -> bool:
    """Return whether the class of a state with one more factor depends on its class alone, and has fewer orbits."""
    states = np.arange(2**n)
    of_state = table.class_of_state
    closed = np.zeros(len(table.classes), dtype=np.int64)
    np.bitwise_or.at(closed, of_state, states)
    if (of_state[closed] != np.arange(len(closed))).any():
        return False
    orbits = np.array([c.orbits for c in table.classes])
    for i in range(n):
        step = of_state[closed | 1 << i]
        if (of_state[states | 1 << i] != step[of_state]).any():
            return False
        fewer = orbits[step] < orbits
        if (orbits[step] > orbits).any() or (fewer.any(axis=1) != (step != np.arange(len(step)))).any():
            return False
    return True


def _drawn_are_right(table: ClassTable) -> bool:
    """Return whether the fewest and the most factors of some classes make the orbits and the key of the class."""
    for number in _drawn(len(table.classes), 2 * _weights(table)):
        expected = table.classes[number]
        for state in (expected.representative, table.closed_set(expected)):
            orbits = _orbits(table, state)
            digest = ClassDigest(table.grids)
            for layer in orbits:
                digest = digest.with_layer(layer)
            if (digest.key, tuple(layer.count for layer in orbits)) != (expected.key, expected.orbits):
                return False
    return True


def _are_keys(keys: list[str] | tuple[str, ...]) -> bool:
    return len(set(keys)) == len(keys) and all(_KEY.fullmatch(key) for key in keys)


def _drawn(count: int, weights: int) -> list[int]:
    return _RANDOM.sample(range(count), min(count, max(2, _MAX_WEIGHTS // weights)))


def _weights(table: ClassTable) -> int:
    return sum(cells_of(i) * cells_of(o) for i, o in layer_grids(table.grids))


def _orbits(table: ClassTable, state: int) -> list[Orbits]:
    bits = mask_to_bits(state, len(table.alphabet))
    generators = table.alphabet.decomposition(bits).generators
    return [layer_orbits(generators, i, o) for i, o in layer_grids(table.grids)]
