"""LayerwiseDecompositionSpace: dense children with a decomposition for each layer."""

from collections.abc import Hashable, Sequence
from functools import cached_property
from itertools import product
from math import prod

from aen._typing import JsonDict
from aen.children.dense import DenseSpec
from aen.groups.alphabet import Alphabet
from aen.groups.class_cache import known_layerwise_classes, load_layerwise_classes
from aen.groups.classes import bits_to_mask, mask_to_bits
from aen.groups.decomposition import Decomposition
from aen.groups.layerwise_classes import LayerwiseClassTable
from aen.spaces.base import Space, SpaceClass
from aen.spaces.decompositions import mismatch_remarks


def layers_of_state(alphabet: Alphabet, state: Sequence[int]) -> tuple[Decomposition, ...]:
    """Return the decomposition of each layer; a state has the bits of the first layer's factors, then the second's.

    Raises:
        GroupError: the number of bits is not a multiple of the number of factors.
    """
    n = len(alphabet)
    return tuple(alphabet.decomposition(state[start : start + n]) for start in range(0, len(state), n))


class LayerwiseDecompositionSpace(Space):
    """Every choice of a decomposition of an alphabet for each layer of one dense child.

    Bit i of a state chooses factor i of the first layer; after the alphabet's factors come those of the second layer,
    and so on. A class is a choice of one class per layer. Nothing is stored per state: with the published alphabet
    there are 2^24 of them on two layers.

    The table of classes is loaded when it is first used: with the published alphabet this takes 25 seconds the first
    time.

    Args:
        child: the child; its own decompositions are not used.
        alphabet: the factors on offer in each layer. (A `LayerwiseClassTable` is accepted as well, as before; this will
            be removed.)

    Raises:
        GroupError: a factor does not fit a grid of the child.
    """

    one_key_a_class = True  # children of a class differ in nothing that a key depends on

    def __init__(self, child: DenseSpec, alphabet: Alphabet | LayerwiseClassTable) -> None:
        self.child = child.with_decomposition(Decomposition())
        if isinstance(alphabet, LayerwiseClassTable):
            self.__dict__["table"] = alphabet
            alphabet = alphabet.alphabet
        self.alphabet = alphabet
        self.alphabet.check(self.child.grids)

    @cached_property
    def table(self) -> LayerwiseClassTable:
        """The classes of the alphabet on the child's layers; loaded when first used.

        Raises:
            GroupError: there are too many classes to list.
        """
        return load_layerwise_classes(self.alphabet, self.child.grids)

    def with_seed(self, seed: int) -> "LayerwiseDecompositionSpace":
        """Return the same space with another seed for all children."""
        return LayerwiseDecompositionSpace(self.child.with_seed(seed), self.__dict__.get("table", self.alphabet))

    @property
    def sizes(self) -> tuple[int, ...]:
        """Two for each factor of each layer: not chosen, chosen."""
        return (2,) * (len(self.alphabet) * len(self.child.layer_shapes))

    @cached_property
    def classes(self) -> tuple[SpaceClass, ...]:
        """One for each choice of a class per layer, ordered by number of factors; the baseline is first."""
        n = len(self.alphabet)
        layers = [[(mask_to_bits(c.representative, n), c.states) for c in layer.classes] for layer in self.table.layers]
        found = [
            SpaceClass(
                self.child.class_key_of(key),
                sum((bits for bits, _ in chosen), ()),
                prod(states for _, states in chosen),
            )
            for key, chosen in zip(self.table.keys, product(*layers), strict=True)
        ]
        # Ties in the number of factors: earlier factors first, as in the table of one layer.
        return tuple(sorted(found, key=lambda c: (sum(c.representative), [-bit for bit in c.representative])))

    @property
    def states(self) -> int:
        """Two to the power of the number of factors times layers."""
        return prod(self.sizes)

    @property
    def baseline(self) -> SpaceClass:
        """The class of the untied child."""
        return self.classes[0]

    def spec_of(self, state: Sequence[int]) -> DenseSpec:
        """Return the child with, in each layer, the factors whose bits are 1."""
        spec = self.child.with_checked_layers(layers_of_state(self.alphabet, state))
        table = self._known_table
        if table is None:
            return spec
        n = len(self.alphabet)
        numbers = [bits_to_mask(state[start : start + n]) for start in range(0, len(state), n)]
        spec.noting(class_key=spec.class_key_of(table.key_of(numbers)))
        names = [
            layer.group_names[number] for layer, number in zip(table.layers, numbers, strict=True) if layer.group_names
        ]
        # Where all layers have the same factors, the group is that of all grids together.
        return spec.noting(group=" | ".join(names)) if len(names) == len(spec.layers) else spec

    def spec_of_moves(self, moves: Sequence[str]) -> DenseSpec:
        """Return the child of these generators in all layers, whether or not the alphabet has them."""
        decomposition = Decomposition.of(moves)
        decomposition.check(self.child.grids)
        return self.child.with_decomposition(decomposition)

    def content(self) -> tuple[Hashable, ...]:
        """Return child and alphabet."""
        return self.child, self.alphabet

    @property
    def _known_table(self) -> LayerwiseClassTable | None:
        """The table, if it was loaded or can be read from the cache."""
        known: LayerwiseClassTable | None = self.__dict__.get("table") or self.__dict__.get("_found")
        if known is None:
            first = "_found" not in self.__dict__  # later only whether this process has loaded it
            known = self.__dict__["_found"] = known_layerwise_classes(self.alphabet, self.child.grids, read=first)
        return known

    def labels(self, state: Sequence[int]) -> tuple[str, ...]:
        """Return the name of each factor on offer behind the number of its layer, counted from 1."""
        del state
        return self.place_names

    @property
    def place_names(self) -> tuple[str, ...]:
        """The name of each factor on offer behind the number of its layer, counted from 1."""
        layers = range(1, len(self.child.layer_shapes) + 1)
        return tuple(f"{layer}: {name}" for layer in layers for name in self.alphabet.names)

    def describe_class(self, network_class: SpaceClass) -> JsonDict:
        """Return the number of orbits in each layer."""
        n = len(self.alphabet)
        orbits: list[int] = []
        for place, layer in enumerate(self.table.layers):
            bits = network_class.representative[place * n : (place + 1) * n]
            state = bits_to_mask(bits)
            orbits += layer.classes[int(layer.class_of_state[state])].orbits
        return {"orbits": orbits}

    def symmetry_factors(self) -> tuple[Decomposition, ...]:
        """Return the factors of the alphabet, each alone."""
        return tuple(Decomposition((factor,)) for factor in self.alphabet.factors)

    def tied_by(self, network_class: SpaceClass) -> tuple[str, ...]:
        """Return the names of the factors that the class's representative chooses, layer by layer."""
        names = self.alphabet.names * len(self.child.layer_shapes)
        chosen = zip(names, network_class.representative, strict=True)
        return tuple(name for name, bit in chosen if bit)

    def remarks(self) -> tuple[str, ...]:
        """Return a notice for each factor that does not fit, or whose order differs between the grids of a layer."""
        found = [remark for shape in self.child.layer_shapes for remark in mismatch_remarks(self.alphabet, shape)]
        return (*self.alphabet.left_out, *dict.fromkeys(found))
