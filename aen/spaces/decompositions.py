"""DecompositionSpace: dense children with one decomposition, which every layer shares."""

from collections.abc import Hashable, Mapping, Sequence
from functools import cached_property
from weakref import WeakValueDictionary

from aen._typing import JsonDict
from aen.children.dense import DenseSpec
from aen.groups.alphabet import Alphabet
from aen.groups.class_cache import known_classes, load_classes
from aen.groups.classes import ClassTable, NetworkClass, bits_to_mask, mask_to_bits
from aen.groups.decomposition import Decomposition
from aen.groups.grid import Grid
from aen.spaces.base import Space, SpaceClass

_AGREEING = (
    "a shift by a part of the side, such as vshift(1/4), has one order on every grid; alphabet=quarter has those"
)

# The tables of the spaces of this process: loading and checking one again takes a part of a second.
_TABLES: WeakValueDictionary[tuple[Alphabet, tuple[Grid, ...]], ClassTable] = WeakValueDictionary()


def mismatch_remarks(alphabet: Alphabet, grids: Sequence[Grid]) -> tuple[str, ...]:
    """Return a notice for each factor whose order differs between grids: its effect, and a remedy."""
    mismatches = alphabet.order_mismatches(grids)
    return tuple(f"{m}: the joint action ties more than either grid asks for; {_AGREEING}" for m in mismatches)


class DecompositionSpace(Space):
    """Every decomposition of an alphabet on one dense child: bit i of a state chooses factor i.

    The table of classes is loaded when it is first used, because enumerating it takes seconds on large grids.

    Args:
        child: the child; its decomposition is not used.
        alphabet: the factors on offer. (A `ClassTable` is accepted as well, as before; this will be removed.)

    Raises:
        GroupError: a factor does not fit a grid of the child.
    """

    one_key_a_class = True  # children of a class differ in nothing that a key depends on

    def __init__(self, child: DenseSpec, alphabet: Alphabet | ClassTable) -> None:
        self.child = child.with_decomposition(Decomposition())
        if isinstance(alphabet, ClassTable):
            self.__dict__["table"] = alphabet
            alphabet = alphabet.alphabet
        self.alphabet = alphabet
        self.alphabet.check(self.child.grids)

    @cached_property
    def table(self) -> ClassTable:
        """The classes of the alphabet's states on the child's grids; loaded when first used, shared with other spaces.

        Raises:
            GroupError: there are too many states to enumerate.
        """
        place = (self.alphabet, tuple(self.child.grids))
        table = _TABLES.get(place)
        if table is None:
            table = _TABLES[place] = load_classes(self.alphabet, self.child.grids)
        return table

    def with_seed(self, seed: int) -> "DecompositionSpace":
        """Return the same space with another seed for all children."""
        return DecompositionSpace(self.child.with_seed(seed), self.__dict__.get("table", self.alphabet))

    @property
    def sizes(self) -> tuple[int, ...]:
        """Two for each factor: not chosen, chosen."""
        return (2,) * len(self.alphabet)

    @cached_property
    def classes(self) -> tuple[SpaceClass, ...]:
        """The classes of the table, in its order."""
        n = len(self.alphabet)
        return tuple(
            SpaceClass(key, mask_to_bits(c.representative, n), c.states) for key, c in self._table_classes.items()
        )

    @property
    def states(self) -> int:
        """Two to the power of the number of factors."""
        return 1 << len(self.alphabet)

    @property
    def baseline(self) -> SpaceClass:
        """The class of the untied child."""
        return self.classes[0]

    def spec_of(self, state: Sequence[int]) -> DenseSpec:
        """Return the child with the factors whose bits are 1."""
        spec = self.child.with_checked_layers([self.alphabet.decomposition(state)])
        table = self._known_table
        if table is None:
            return spec
        number = bits_to_mask(state)
        spec.noting(class_key=spec.class_key_of(table.key_of(number)))
        return spec.noting(group=table.group_names[number]) if table.group_names else spec

    def spec_of_moves(self, moves: Sequence[str]) -> DenseSpec:
        """Return the child of these generators, whether or not the alphabet has them."""
        decomposition = Decomposition.of(moves)
        decomposition.check(self.child.grids)
        return self.child.with_decomposition(decomposition)

    @property
    def place_names(self) -> tuple[str, ...]:
        """The names of the factors on offer."""
        return self.alphabet.names

    def content(self) -> tuple[Hashable, ...]:
        """Return child and alphabet."""
        return self.child, self.alphabet

    @property
    def _known_table(self) -> ClassTable | None:
        """The table, if it was loaded or can be read from the cache."""
        known: ClassTable | None = self.__dict__.get("table") or self.__dict__.get("_found")
        if known is None:
            first = "_found" not in self.__dict__  # later only whether this process has loaded it
            known = self.__dict__["_found"] = known_classes(self.alphabet, self.child.grids, read=first)
        return known

    def labels(self, state: Sequence[int]) -> tuple[str, ...]:
        """Return the names of the factors on offer."""
        del state
        return self.place_names

    def describe_class(self, network_class: SpaceClass) -> JsonDict:
        """Return the number of orbits in each layer."""
        return {"orbits": list(self._table_classes[network_class.key].orbits)}

    def closed_sets(self) -> Mapping[str, int]:
        """Return, for each class, all factors that keep its orbits, as a bit mask."""
        return {key: self.table.closed_set(c) for key, c in self._table_classes.items()}

    def closed_set_name(self, closed_set: int) -> str:
        """Return the name of the decomposition with these factors."""
        return self.spec_of(mask_to_bits(closed_set, len(self.alphabet))).name

    def symmetry_factors(self) -> tuple[Decomposition, ...]:
        """Return the factors of the alphabet, each alone."""
        return tuple(Decomposition((factor,)) for factor in self.alphabet.factors)

    def symmetry_of(self, network_class: SpaceClass) -> tuple[str, ...]:
        """Return the names of the factors that the class's representative chooses."""
        chosen = zip(self.alphabet.names, network_class.representative, strict=True)
        return tuple(name for name, bit in chosen if bit)

    def remarks(self) -> tuple[str, ...]:
        """Return a notice for each factor that does not fit, or whose order differs between grids."""
        return (*self.alphabet.left_out, *mismatch_remarks(self.alphabet, self.child.grids))

    @cached_property
    def _table_classes(self) -> dict[str, NetworkClass]:
        return {self.child.class_key_of(c.key): c for c in self.table.classes}
