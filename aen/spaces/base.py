"""Space: what a search and its agents need to know of the children among which they choose."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aen._typing import JsonDict
from aen.children.spec import ChildSpec


@dataclass(frozen=True)
class SpaceClass:
    """One class of states that are the same network.

    Attributes:
        key: its children's `class_key`.
        representative: the state with the fewest changes from the baseline.
        states: how many states belong to it.
    """

    key: str
    representative: tuple[int, ...]
    states: int


class Space(ABC):
    """The states of a search, the child of each, and the classes that they fall into.

    A state is a choice for each of several places. Choice 0 everywhere is where a walk starts: the baseline, unless a
    space says otherwise.

    Attributes:
        baseline_name: what to call the baseline in a sentence.
    """

    baseline_name: str = "untied"

    @property
    @abstractmethod
    def sizes(self) -> Sequence[int]:
        """How many choices each place of a state has."""

    @property
    @abstractmethod
    def classes(self) -> Sequence[SpaceClass]:
        """The different networks."""

    @property
    @abstractmethod
    def states(self) -> int:
        """Number of states."""

    @property
    @abstractmethod
    def baseline(self) -> SpaceClass:
        """The child with no symmetry, by which all others are measured."""

    @abstractmethod
    def spec_of(self, state: Sequence[int]) -> ChildSpec:
        """Return the child of a state; its seed is the search's."""

    def spec(self, network_class: SpaceClass) -> ChildSpec:
        """Return the child of a class's representative; its seed is the search's."""
        return self.spec_of(network_class.representative)

    def spec_of_moves(self, moves: Sequence[str]) -> ChildSpec | None:
        """Return the child whose group is that of some generators, by name; None if this space knows none.

        Raises:
            GroupError: a generator does not act on the child.
            SpecError: there is such a group, but no such child.
        """
        del moves
        return None

    def factors(self, spec: ChildSpec) -> Mapping[str, str]:
        """Return what was chosen for a child of this space, by what is chosen; nothing where that has no few names.

        The report says from it how much each factor explains.
        """
        del spec
        return {}

    def number_of(self, state: Sequence[int]) -> int:
        """Return a state as one number, its first place counting least: bits as a bit mask."""
        number = 0
        for choice, size in zip(reversed(state), reversed(self.sizes), strict=True):
            number = number * size + choice
        return number

    def describe_class(self, network_class: SpaceClass) -> JsonDict:
        """Return what else there is to say of a class, as further columns of a table of the space."""
        del network_class
        return {}

    def closed_sets(self) -> Mapping[str, int]:
        """Return the closed set of each class by its key, where the space has an order by inclusion; else nothing."""
        return {}

    def closed_set_name(self, closed_set: int) -> str:
        """Return the name of a closed set."""
        return str(closed_set)

    def remarks(self) -> Sequence[str]:
        """Return what a user should know before searching."""
        return ()
