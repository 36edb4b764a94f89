"""The names of the groups of all states of an alphabet, which is much faster than naming each state by itself."""

from collections.abc import Sequence

import numpy as np

from aen._typing import IntArray
from aen.groups.alphabet import Alphabet
from aen.groups.describe import QUICK_LIMIT, TOO_LARGE, composed_name, joint_action, known_name
from aen.groups.elements import enumerate_elements
from aen.groups.grid import Grid, cells_of, shape_of

# The number of a group that has too many elements to be named.
_LARGE = -1


def group_names(alphabet: Alphabet, grids: Sequence[Grid]) -> tuple[str, ...]:
    """Return `aen.groups.describe.group_name` of every state of an alphabet, by bit mask.

    Different states generate few different groups. Each of these is enumerated once, and a state whose factors include
    those of a group that is too large to be named is not enumerated at all.
    """
    n = len(alphabet)
    groups = _Groups(alphabet, tuple(sorted(set(grids), key=shape_of)))
    of_state = [0] * 2**n
    names = [groups.name(0, 0, of_state)]
    for state in range(1, 2**n):
        highest = state.bit_length() - 1
        of_state[state] = groups.with_factor(of_state[state ^ (1 << highest)], highest)
        names.append(groups.name(of_state[state], state, of_state))
    return tuple(names)


class _Groups:
    """The groups found so far, by number; 0 is the trivial one. Sets of factors are bit masks."""

    def __init__(self, alphabet: Alphabet, grids: tuple[Grid, ...]) -> None:
        self.factors, self.grids = alphabet.factors, grids
        self.degree = sum(cells_of(grid) for grid in grids)
        self.actions = [joint_action(factor, grids) for factor in alphabet.factors]
        self.number_of: dict[int, int] = {}  # by all factors that a group contains, which determine it
        self.contains: list[int] = []
        self.made_by: list[int] = []  # some factors that generate it
        self.known: list[str | None] = []
        self.steps: list[dict[int, int]] = []
        self.large: list[int] = []  # sets of factors that generate too large a group
        self.composed: dict[int, str] = {}
        self._add(np.arange(self.degree)[None], 0)

    def with_factor(self, group: int, factor: int) -> int:
        """Return the group that a group and one more factor generate."""
        if group == _LARGE or self.contains[group] >> factor & 1:
            return group
        steps = self.steps[group]
        if factor not in steps:
            steps[factor] = self._enumerate(self.contains[group] | 1 << factor, self.made_by[group] | 1 << factor)
        return steps[factor]

    def name(self, group: int, state: int, of_state: Sequence[int]) -> str:
        """Return the name of a state's group.

        Args:
            group: the number of the group.
            state: the state.
            of_state: the number of the group of every state below this one.
        """
        if group == _LARGE:
            return TOO_LARGE
        known = self.known[group]
        if known is not None:
            return known
        # A composed name depends on the factors, without those that the others generate: the last ones are left out.
        needed = state
        for factor in reversed(range(len(self.factors))):
            others = needed & ~(1 << factor)
            if needed != others and self.contains[of_state[others]] >> factor & 1:
                needed = others
        if needed not in self.composed:
            self.composed[needed] = composed_name([self.factors[i] for i in _bits(needed)], self.grids)
        return self.composed[needed]

    def _enumerate(self, contained: int, made_by: int) -> int:
        if any(large & ~contained == 0 for large in self.large):
            return _LARGE
        generators = [permutation for i in _bits(made_by) for permutation in self.actions[i]]
        elements = enumerate_elements(generators, self.degree, QUICK_LIMIT)
        if elements is None:
            self.large.append(made_by)
            return _LARGE
        return self._add(elements, made_by)

    def _add(self, elements: IntArray, made_by: int) -> int:
        members = {element.tobytes() for element in elements}
        contains = 0
        for i, permutations in enumerate(self.actions):
            contains |= all(permutation.tobytes() in members for permutation in permutations) << i
        number = self.number_of.setdefault(contains, len(self.contains))
        if number == len(self.contains):
            self.contains.append(contains)
            self.made_by.append(made_by)
            self.known.append(known_name(elements, [p for i in _bits(made_by) for p in self.actions[i]]))
            self.steps.append({})
        return number


def _bits(mask: int) -> list[int]:
    return [i for i in range(mask.bit_length()) if mask >> i & 1]
