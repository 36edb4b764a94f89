"""ListedStates: the states of a space as arrays: their choices, classes and factors, and where actions lead."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod

import numpy as np
import numpy.typing as npt

from aen.errors import SpecError
from aen.spaces import Space

IntArray = npt.NDArray[np.int64]

# More states than these take too long to list.
MOST_STATES = 2**16


@dataclass(frozen=True, eq=False)
class ListedStates:
    """The states of a space, numbered as by its `number_of`, and the classes of a list.

    Attributes:
        space: the space; every combination of choices is a state.
        class_keys: the keys of the classes; the place of a class is its place among them.
    """

    space: Space
    class_keys: tuple[str, ...]

    @classmethod
    def of(cls, space: Space, class_keys: Sequence[str] | None = None) -> "ListedStates":
        """List the states of a space.

        Args:
            space: the space.
            class_keys: the classes that are known; None: all.

        Raises:
            SpecError: the space has too many states.
        """
        if space.states > MOST_STATES:
            raise SpecError(
                f"space has {space.states:,} states, more than the {MOST_STATES:,} that are listed for observe='full' "
                "and for tables; offer fewer factors, or use observe='state'."
            )
        keys = [c.key for c in space.classes] if class_keys is None else class_keys
        return cls(space, tuple(keys))

    @cached_property
    def strides(self) -> IntArray:
        """By how much the number of a state grows with the choice at each place."""
        sizes = self.space.sizes
        return np.array([prod(sizes[:place]) for place in range(len(sizes))], dtype=np.int64)

    @cached_property
    def choices(self) -> IntArray:
        """The choices of every state, shape ``[states, places]``."""
        numbers = np.arange(self.space.states)[:, None]
        found: IntArray = numbers // self.strides % np.array(self.space.sizes)
        return found

    @cached_property
    def place_of_class(self) -> dict[str, int]:
        """The place of each class by its key."""
        return {key: place for place, key in enumerate(self.class_keys)}

    @cached_property
    def place_of_state(self) -> IntArray:
        """The place of each state's class, shape ``[states]``; -1: its class is not in the list."""
        child_at, places = self.space.child_at, self.place_of_class
        return np.array([places.get(child_at(tuple(state)).class_key, -1) for state in self.choices.tolist()])

    def next_states(self, changes: Sequence[tuple[int, int]]) -> IntArray:
        """Return the state to which each action leads from each state, shape ``[states, actions]``.

        Args:
            changes: (place, step) of each action, as in `aen_envs.SpaceEnv.changes`.
        """
        places = np.array([place for place, _ in changes])
        now = self.choices[:, places]
        then = (now + np.array([step for _, step in changes])) % np.array(self.space.sizes)[places]
        found: IntArray = np.arange(self.space.states)[:, None] + (then - now) * self.strides[places]
        return found

    @cached_property
    def factors(self) -> tuple[tuple[int, int], ...]:
        """(place, choice) of each factor: every choice at a place but the first, which is the baseline's."""
        return tuple((place, choice) for place, size in enumerate(self.space.sizes) for choice in range(1, size))

    @cached_property
    def class_factors(self) -> npt.NDArray[np.bool_]:
        """Whether a class has a factor: whether one of its states does, shape ``[classes, factors]``."""
        places, choices = np.array(self.factors).T
        has = self.choices[:, places] == choices
        found = np.zeros((len(self.class_keys), len(self.factors)), dtype=np.bool_)
        listed = self.place_of_state >= 0
        np.logical_or.at(found, self.place_of_state[listed], has[listed])
        return found
