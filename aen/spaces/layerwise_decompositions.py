"""LayerwiseDecompositionSpace: dense children, one for each choice of factors in each of their layers."""

from collections.abc import Sequence
from functools import cached_property
from itertools import product
from math import prod

from aen._typing import JsonDict
from aen.children.dense import DenseSpec
from aen.groups.alphabet import Alphabet
from aen.groups.classes import mask_to_bits
from aen.groups.decomposition import Decomposition
from aen.groups.layerwise_classes import LayerwiseClassTable
from aen.spaces.base import Space, SpaceClass
from aen.spaces.decompositions import mismatch_remarks


def layers_of_state(alphabet: Alphabet, state: Sequence[int]) -> tuple[Decomposition, ...]:
    """Return the decomposition of each layer: a state has the bits of the first layer's factors, then of the second's.

    Raises:
        GroupError: the bits are no whole number of layers.
    """
    n = len(alphabet)
    return tuple(alphabet.decomposition(state[start : start + n]) for start in range(0, len(state), n))


class LayerwiseDecompositionSpace(Space):
    """Every decomposition of an alphabet on every layer of one dense child.

    Bit i of a state chooses factor i of the first layer; after the alphabet's factors come those of the second layer,
    and so on. The classes are all choices of one class for each layer; nothing is kept for each state, of which the
    published alphabet has 2^24 on two layers.

    Args:
        child: the child; its own decompositions are not used.
        table: the classes of the alphabet on the child's layers.
    """

    def __init__(self, child: DenseSpec, table: LayerwiseClassTable) -> None:
        self.child = child.with_decomposition(Decomposition())
        self.table = table

    @property
    def sizes(self) -> tuple[int, ...]:
        """Two for each factor of each layer: without and with it."""
        return (2,) * (len(self.table.alphabet) * len(self.table.layers))

    @cached_property
    def classes(self) -> tuple[SpaceClass, ...]:
        """One for each choice of a class per layer; the baseline first, those with more factors later."""
        n = len(self.table.alphabet)
        layers = [[(mask_to_bits(c.representative, n), c.states) for c in layer.classes] for layer in self.table.layers]
        found = [
            SpaceClass(key, sum((bits for bits, _ in chosen), ()), prod(states for _, states in chosen))
            for key, chosen in zip(self.table.keys, product(*layers), strict=True)
        ]
        # Among equally many factors early ones first, as in the table of one layer.
        return tuple(sorted(found, key=lambda c: (sum(c.representative), [-bit for bit in c.representative])))

    @property
    def states(self) -> int:
        """Two to the power of the number of factors times layers."""
        return prod(self.sizes)

    @property
    def baseline(self) -> SpaceClass:
        """The untied child."""
        return self.classes[0]

    def spec_of(self, state: Sequence[int]) -> DenseSpec:
        """Return the child with, in each layer, the factors whose bits are 1."""
        return self.child.with_layers(layers_of_state(self.table.alphabet, state))

    def spec_of_moves(self, moves: Sequence[str]) -> DenseSpec:
        """Return the child of these generators in all layers, whether or not the alphabet has them."""
        decomposition = Decomposition.of(moves)
        decomposition.check(self.child.grids)
        return self.child.with_decomposition(decomposition)

    def describe_class(self, network_class: SpaceClass) -> JsonDict:
        """Return the number of orbits in each layer."""
        n = len(self.table.alphabet)
        orbits: list[int] = []
        for place, layer in enumerate(self.table.layers):
            bits = network_class.representative[place * n : (place + 1) * n]
            state = sum(bit << i for i, bit in enumerate(bits))
            orbits += layer.classes[int(layer.class_of_state[state])].orbits
        return {"orbits": orbits}

    def remarks(self) -> tuple[str, ...]:
        """Name the factors whose order differs between the grids of a layer."""
        found = [remark for layer in self.table.layers for remark in mismatch_remarks(layer.alphabet, layer.sides)]
        return tuple(dict.fromkeys(found))
