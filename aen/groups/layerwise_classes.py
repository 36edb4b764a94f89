"""Layer-wise classes: the different networks where every layer of a child chooses its own factors.

What one layer chooses changes nothing in another, so the classes are all choices of one class for each layer. Their
number is the product of the layers' numbers: 202 x 216 = 43,632 for the published alphabet on grids 28, 20 and 20.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from aen.errors import GroupError
from aen.groups.alphabet import Alphabet
from aen.groups.class_digest import ClassDigest
from aen.groups.classes import ClassTable
from aen.groups.orbits import layer_orbits

MAX_LAYERWISE_CLASSES = 2**16


@dataclass(frozen=True, eq=False)
class LayerwiseClassTable:
    """The classes of each layer, and the name of every choice among them.

    Attributes:
        layers: the classes of the alphabet's states on each layer alone, input first.
        keys: the `layerwise_class_key` of each choice of a class per layer; the last layer's class changes fastest.
    """

    layers: tuple[ClassTable, ...]
    keys: tuple[str, ...]

    @property
    def alphabet(self) -> Alphabet:
        """The factors on offer in every layer."""
        return self.layers[0].alphabet

    def key_of(self, states: Sequence[int]) -> str:
        """Return the class key of a state of each layer, given as bit masks."""
        place = 0
        for table, state in zip(self.layers, states, strict=True):
            place = place * len(table.classes) + int(table.class_of_state[state])
        return self.keys[place]


def count_layerwise_classes(layers: Sequence[ClassTable]) -> int:
    """Return how many choices of a class per layer there are.

    Raises:
        GroupError: too many to list.
    """
    counts = [len(table.classes) for table in layers]
    if prod(counts) > MAX_LAYERWISE_CLASSES:
        raise GroupError(
            f"a decomposition per layer makes {' x '.join(map(str, counts))} = {prod(counts):,} classes; at most "
            f"{MAX_LAYERWISE_CLASSES:,} can be listed. Offer fewer factors, or use fewer hidden grids."
        )
    return prod(counts)


def enumerate_layerwise_classes(layers: Sequence[ClassTable]) -> LayerwiseClassTable:
    """Name every choice of a class per layer.

    The orbits of each layer's classes are computed once; of the choices only the names are. Grids 28, 20 and 20 with
    the published alphabet take some 20 seconds.

    Args:
        layers: the classes of each layer alone, input first; they share the alphabet and, each with the next, a grid.

    Raises:
        GroupError: too many choices.
    """
    count_layerwise_classes(layers)
    digests = [ClassDigest([layers[0].grids[0], *(table.grids[-1] for table in layers)])]
    for table in layers:
        found: list[list[ClassDigest]] = [[] for _ in digests]
        # The orbits of one class at a time: all of them together would fill the memory.
        for network_class in table.classes:
            orbits = layer_orbits(table.decomposition(network_class).generators, *table.grids)
            for begun, longer in zip(digests, found, strict=True):
                longer.append(begun.with_layer(orbits))
        digests = [digest for longer in found for digest in longer]
    return LayerwiseClassTable(tuple(layers), tuple(digest.key for digest in digests))
