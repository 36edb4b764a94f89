"""Space: the interface of search spaces, which searches, agents and environments use."""

from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from aen._typing import JsonDict
from aen.children.spec import ChildSpec
from aen.groups.decomposition import Decomposition
from aen.spaces.memo import StateMemo, memo_of


@dataclass(frozen=True)
class SpaceClass:
    """A class of states that are the same network.

    Attributes:
        key: the `class_key` of the children of its states.
        representative: the state with the fewest changes from the baseline.
        states: number of states in the class.
    """

    key: str
    representative: tuple[int, ...]
    states: int


class Space(ABC):
    """The states of a search, the child of each state, and the classes of states that are the same network.

    A state is a sequence of choices, one for each place. An episode starts at choice 0 everywhere, which is the
    baseline unless `baseline_state` says otherwise.

    A subclass must define `sizes`, `states`, `classes`, `baseline` and `spec_of`. An environment
    (`aen_envs.SpaceEnv`) uses neither `classes` nor `baseline`, so a subclass may compute both when first asked.

    Attributes:
        baseline_name: what to call the baseline in a sentence.
        one_key_a_class: whether all children of a class have one key, and `spec_of` notes classes that a table knows.
            A subclass does not inherit it.
    """

    baseline_name: str = "untied"
    one_key_a_class: bool = False

    @property
    @abstractmethod
    def sizes(self) -> Sequence[int]:
        """Number of choices at each place of a state."""

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
        """The class of the child without symmetry, with which all others are compared."""

    @property
    def baseline_state(self) -> tuple[int, ...]:
        """The state of the child without symmetry: choice 0 everywhere by default."""
        return (0,) * len(self.sizes)

    @abstractmethod
    def spec_of(self, state: Sequence[int]) -> ChildSpec:
        """Return the child of a state; its seed is that of the search.

        It must depend on the state and on the attributes of the space alone.
        """

    def child_at(self, state: tuple[int, ...]) -> ChildSpec:
        """Return what `spec_of` does, remembered for the states asked last.

        Equal spaces of a process share what is remembered, and with it what was computed of a child: its key, its name,
        its group. Setting an attribute of the space makes it forget.
        """
        return self._memo.child_at(state)

    def number_at(self, state: tuple[int, ...]) -> int:
        """Return what `number_of` does, remembered as by `child_at`."""
        return self._memo.number_at(state)

    def content(self) -> Hashable:
        """Return what the children of this class's spaces depend on; spaces of one class with equal content are equal.

        Subclasses that have further attributes define it anew; else their spaces share nothing.
        """
        return None

    @cached_property
    def _memo(self) -> StateMemo:
        # A subclass that does not define it itself may have attributes that an inherited one does not know.
        return memo_of(self, self.content() if "content" in vars(type(self)) else None)

    def __setattr__(self, name: str, value: Any) -> None:  # noqa: ANN401 - of any attribute
        super().__setattr__(name, value)
        self.__dict__.pop("_memo", None)

    def __getstate__(self) -> dict[str, Any]:
        """Pickle and copy the space without what it remembers."""
        return {name: value for name, value in self.__dict__.items() if name != "_memo"}

    def spec(self, network_class: SpaceClass) -> ChildSpec:
        """Return the child of a class's representative; its seed is that of the search."""
        return self.spec_of(network_class.representative)

    def spec_of_moves(self, moves: Sequence[str]) -> ChildSpec | None:
        """Return the child tied by the group that some generators generate; None if this space has no such child.

        Args:
            moves: names of generators, such as those by which a data set's images were moved (its hidden group).

        Raises:
            GroupError: a generator does not act on the child.
            SpecError: there is such a group, but no such child.
        """
        del moves
        return None

    def with_seed(self, seed: int) -> "Space":
        """Return the same space with another seed for all children.

        Raises:
            NotImplementedError: the subclass does not define it.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define with_seed.")

    def factors(self, spec: ChildSpec) -> Mapping[str, str]:
        """Return what was chosen for a child of this space, by the name of the choice; empty if there are no few names.

        The report uses it to say how much of the accuracy each factor explains.
        """
        del spec
        return {}

    def number_of(self, state: Sequence[int]) -> int:
        """Return a state as one number; its first place is the least significant (bits make a bit mask)."""
        number = 0
        for choice, size in zip(reversed(state), reversed(self.sizes), strict=True):
            number = number * size + choice
        return number

    def symmetry_factors(self) -> Sequence[Decomposition]:
        """Return the symmetries on offer, for a test of the images before a search; none by default."""
        return ()

    def symmetry_of(self, network_class: SpaceClass) -> Sequence[str]:
        """Return the names of those of `symmetry_factors` that together tie a class; none by default."""
        del network_class
        return ()

    def tied_by(self, network_class: SpaceClass) -> Sequence[str]:
        """Return the names of those of `symmetry_factors` that tie a class in any layer, once for each such layer."""
        return self.symmetry_of(network_class)

    def symmetry_order(self, network_class: SpaceClass) -> int:
        """Return the number of elements of the group that `symmetry_of` names; 1 by default, if it is not known."""
        del network_class
        return 1

    @property
    def place_names(self) -> tuple[str, ...]:
        """A name for each place, for the names of an environment's actions."""
        return tuple(f"place {place}" for place in range(len(self.sizes)))

    def labels(self, state: Sequence[int]) -> tuple[str, ...]:
        """Return a label for each choice of a state, for renderings."""
        return tuple(f"place {place}: {choice}" for place, choice in enumerate(state))

    def describe_class(self, network_class: SpaceClass) -> JsonDict:
        """Return further columns for the row of a class in a table of the space."""
        del network_class
        return {}

    def closed_sets(self) -> Mapping[str, int]:
        """Return the closed set of each class by its key; empty if the space has no order by inclusion."""
        return {}

    def closed_set_name(self, closed_set: int) -> str:
        """Return the name of a closed set."""
        return str(closed_set)

    def remarks(self) -> Sequence[str]:
        """Return notices for the user, to be shown before a search."""
        return ()
