"""DecompositionSpace: dense children, one for each choice of factors from an alphabet."""

from collections.abc import Mapping, Sequence
from functools import cached_property

from aen._typing import JsonDict
from aen.children.dense import DenseSpec
from aen.groups.alphabet import Alphabet
from aen.groups.classes import ClassTable, NetworkClass, mask_to_bits
from aen.groups.decomposition import Decomposition
from aen.spaces.base import Space, SpaceClass

_AGREEING = (
    "a shift by a part of the side, such as vshift(1/4), has one order on every grid; alphabet=quarter has those"
)


def mismatch_remarks(alphabet: Alphabet, sides: Sequence[int]) -> tuple[str, ...]:
    """Say of each factor whose order differs between grids what that does, and what to do about it."""
    mismatches = alphabet.order_mismatches(sides)
    return tuple(f"{m}: the joint action ties more than either grid asks for; {_AGREEING}" for m in mismatches)


class DecompositionSpace(Space):
    """Every decomposition of an alphabet on one dense child: bit i of a state chooses factor i.

    Args:
        child: the child; its decomposition is not used.
        table: the alphabet's classes on the child's grids.
    """

    def __init__(self, child: DenseSpec, table: ClassTable) -> None:
        self.child = child.with_decomposition(Decomposition())
        self.table = table

    @property
    def sizes(self) -> tuple[int, ...]:
        """Two for each factor: without and with it."""
        return (2,) * len(self.table.alphabet)

    @cached_property
    def classes(self) -> tuple[SpaceClass, ...]:
        """The table's classes, in its order."""
        n = len(self.table.alphabet)
        return tuple(SpaceClass(c.key, mask_to_bits(c.representative, n), c.states) for c in self.table.classes)

    @property
    def states(self) -> int:
        """Two to the power of the number of factors."""
        return len(self.table.class_of_state)

    @property
    def baseline(self) -> SpaceClass:
        """The untied child."""
        return self.classes[0]

    def spec_of(self, state: Sequence[int]) -> DenseSpec:
        """Return the child with the factors whose bits are 1."""
        return self.child.with_decomposition(self.table.alphabet.decomposition(state))

    def spec_of_moves(self, moves: Sequence[str]) -> DenseSpec:
        """Return the child of these generators, whether or not the alphabet has them."""
        decomposition = Decomposition.of(moves)
        decomposition.check(self.child.grids)
        return self.child.with_decomposition(decomposition)

    def describe_class(self, network_class: SpaceClass) -> JsonDict:
        """Return the number of orbits in each layer."""
        return {"orbits": list(self._table_classes[network_class.key].orbits)}

    def closed_sets(self) -> Mapping[str, int]:
        """Return all factors that keep the orbits of each class, as a bit mask."""
        return {c.key: self.table.closed_set(c) for c in self.table.classes}

    def closed_set_name(self, closed_set: int) -> str:
        """Return the name of the decomposition with these factors."""
        return self.spec_of(mask_to_bits(closed_set, len(self.table.alphabet))).name

    def remarks(self) -> tuple[str, ...]:
        """Name the factors whose order differs between grids."""
        return mismatch_remarks(self.table.alphabet, self.child.grids)

    @cached_property
    def _table_classes(self) -> dict[str, NetworkClass]:
        return {c.key: c for c in self.table.classes}
