"""SpaceFeatures: what strategies know of the classes of a space without training them."""

from collections.abc import Sequence
from functools import cached_property, lru_cache
from math import log2
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aen.errors import AenError
from aen.spaces import Space, SpaceClass
from aen.symmetry import SymmetryTest

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_MOST_CLOSED_SETS = 2_000  # of classes, for which closed sets are computed: the time grows with the square
_MOST_KEPT = 2_000  # of classes, for which all distances are kept


class SpaceFeatures:
    """The classes of a space, as numbers; computed once for each space.

    Args:
        space: the space.
        class_keys: the classes that may be chosen; None: all.

    Attributes:
        classes: those that may be chosen, in the space's order.
        place_of: the place of each class by its key.
        choices: shape ``[classes, features]``, 0 or 1: the closed set of each class, where the space has an order by
            inclusion; else the choices of its representative other than choice 0.
        ties: binary logarithm of how many times fewer weights a class has than the baseline; 0 where it is not known.
    """

    def __init__(self, space: Space, class_keys: frozenset[str] | None = None) -> None:
        self.space = space
        self.classes: Sequence[SpaceClass] = [c for c in space.classes if class_keys is None or c.key in class_keys]
        self.place_of = {c.key: place for place, c in enumerate(self.classes)}
        closed = space.closed_sets() if len(space.classes) <= _MOST_CLOSED_SETS else {}
        bits = len(space.sizes)
        if closed:
            rows = [[closed[c.key] >> bit & 1 for bit in range(bits)] for c in self.classes]
        else:
            states = [c.representative for c in self.classes]
            numbers = range(max(space.sizes, default=1))
            rows = [[int(choice == n) for choice in state for n in numbers if n] for state in states]
        self.choices: FloatArray = np.array(rows, dtype=np.float64).reshape(len(self.classes), -1)
        self.closed = bool(closed)
        self.ties: FloatArray = np.array(self._ties())
        self._neighbours: dict[int, tuple[int, ...]] = {}

    @property
    def baseline(self) -> int:
        """The place of the baseline's class; of the first class, if the baseline may not be chosen."""
        return self.place_of.get(self.space.baseline.key, 0)

    def neighbours(self, place: int) -> tuple[int, ...]:
        """Return the places of the classes that one other choice makes of a class, in the space's order.

        One choice of the representative is changed; where the space has an order by inclusion, also one of the state
        with all factors of the closed set.
        """
        found = self._neighbours.get(place)
        if found is None:
            found = self._neighbours[place] = self._compute_neighbours(place)
        return found

    def distances(self, rows: IntArray, columns: IntArray | None = None) -> FloatArray:
        """Return by how many choices some classes differ from others (None: from all), shape ``[rows, columns]``."""
        if len(self.classes) <= _MOST_KEPT:
            return self._distances[rows] if columns is None else self._distances[np.ix_(rows, columns)]
        others = self.choices if columns is None else self.choices[columns]
        return _differences(self.choices[rows], others)

    def symmetries(self, place: int) -> Sequence[str]:
        """Return the names of the symmetries that tie a class; with closed sets also those that others imply."""
        if self.closed and self.space.symmetry_factors():
            names = self.space.place_names
            return [names[bit] for bit in np.flatnonzero(self.choices[place]).tolist()]
        return self.space.tied_by(self.classes[place])

    def evidence(self, test: SymmetryTest | None) -> FloatArray:
        """Return how strongly the images contradict each class: the sum of log(1 + z) over its rejected symmetries.

        Args:
            test: of the training images; None: 0 for all classes.
        """
        if test is None:
            return np.zeros(len(self.classes))
        weight = {row.factor.name: float(np.log1p(max(row.z, 0.0))) if row.rejected else 0.0 for row in test.rows}
        found: FloatArray = self.members @ np.array([weight.get(name, 0.0) for name in self.names])
        return found

    @cached_property
    def names(self) -> list[str]:
        """The names of the symmetries that tie any class."""
        every = {name: None for place in range(len(self.classes)) for name in self.symmetries(place)}
        return list(every)

    @cached_property
    def members(self) -> FloatArray:
        """How often each of the `names` ties each class, shape ``[classes, names]``."""
        members = np.zeros((len(self.classes), len(self.names)))
        column = {name: number for number, name in enumerate(self.names)}
        for place in range(len(self.classes)):
            for name in self.symmetries(place):
                members[place, column[name]] += 1
        return members

    @cached_property
    def _distances(self) -> FloatArray:
        return _differences(self.choices, self.choices)

    def _ties(self) -> list[float]:
        orbits: list[Any] = [self.space.describe_class(c).get("orbits") for c in self.classes]
        if not all(orbits):
            return [0.0] * len(self.classes)
        most = max(sum(each) for each in orbits)
        return [log2(most / sum(each)) for each in orbits]

    def _compute_neighbours(self, place: int) -> tuple[int, ...]:
        states = [self.classes[place].representative]
        if self.closed:
            states.append(tuple(int(bit) for bit in self.choices[place]))
        found: set[int] = set()
        for state in states:
            for position, size in enumerate(self.space.sizes):
                for choice in range(size):
                    if choice != state[position]:
                        other = self._place_of_state((*state[:position], choice, *state[position + 1 :]))
                        found |= set() if other is None else {other}
        return tuple(sorted(found - {place}))

    def _place_of_state(self, state: tuple[int, ...]) -> int | None:
        """Return the place of a state's class; None: it has no child, or its class may not be chosen."""
        try:
            return self.place_of.get(self.space.child_at(state).class_key)
        except AenError:
            return None


@lru_cache(maxsize=128)
def features_of(space: Space, class_keys: frozenset[str] | None = None) -> SpaceFeatures:
    """Return the features of a space's classes, which are computed when a space is first asked for."""
    return SpaceFeatures(space, class_keys)


def _differences(a: FloatArray, b: FloatArray) -> FloatArray:
    differences: FloatArray = a @ (1 - b).T + (1 - a) @ b.T
    return differences
