"""Canonical classes: the different networks among the states of an alphabet.

Two decompositions whose orbits agree in every layer of a child are the same network. Every class has a closed set: all
factors that keep its orbits. Two states with the same orbits have the same closed set and conversely, so
visiting closed sets, one factor at a time, finds every class with (classes x factors) joins instead of one per state.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from aen._typing import IntArray
from aen.errors import GroupError
from aen.groups.alphabet import Alphabet
from aen.groups.class_digest import ClassDigest
from aen.groups.decomposition import Decomposition
from aen.groups.generators import Generator
from aen.groups.grid import Grid, cells_of, grid_text, grids_as_json
from aen.groups.orbits import Orbits, layer_orbits, pair_permutation

MAX_ENUMERATED_FACTORS = 20
MAX_LAYER_WEIGHTS = 2**26

# The keys of enumerated states, so that their orbits are not computed again for a key alone.
_KEYS: dict[tuple[tuple[Generator, ...], tuple[Grid, ...]], str] = {}
_MAX_KEYS = 2**16
# Alphabets with more states are searched in a small part only: what is known of every state would take too long.
MAX_REMEMBERED_STATES = _MAX_KEYS // 4


def layer_grids(grids: Sequence[Grid]) -> tuple[tuple[Grid, Grid], ...]:
    """Return (input grid, output grid) of each tied layer of a child with these grids, input first.

    Raises:
        GroupError: fewer than two grids.
    """
    if len(grids) < 2:  # noqa: PLR2004
        raise GroupError(
            f"grids {grids_as_json(grids)} make no layer; give the input's side and at least one hidden side."
        )
    for before, after in pairwise(grids):
        weights = cells_of(before) * cells_of(after)
        if weights > MAX_LAYER_WEIGHTS:
            raise GroupError(
                f"a layer from {grid_text(before)} to {grid_text(after)} has {weights:,} weights; at most "
                f"{MAX_LAYER_WEIGHTS:,} can be tied. Use smaller grids."
            )
    return tuple(pairwise(grids))


def class_key(decomposition: Decomposition, grids: Sequence[Grid]) -> str:
    """Return the name of the network class that a decomposition makes of a child's layers: 16 hexadecimal digits.

    It depends on nothing but the grids and the orbits of every layer.
    """
    known = _KEYS.get((decomposition.generators, tuple(grids)))
    if known is not None:
        return known
    return layerwise_class_key([decomposition] * len(layer_grids(grids)), grids)


def layerwise_class_key(decompositions: Sequence[Decomposition], grids: Sequence[Grid]) -> str:
    """Return the name of the network class of a child whose layers have a decomposition each.

    Where a single decomposition makes the same orbits in every layer, it is that one's `class_key`.

    Args:
        decompositions: one for each layer, input first.
        grids: the child's grids, input first.
    """
    layers = zip(decompositions, layer_grids(grids), strict=True)
    return _key(grids, [layer_orbits(d.generators, i, o) for d, (i, o) in layers])


def _key(grids: Sequence[Grid], layers: Sequence[Orbits]) -> str:
    digest = ClassDigest(grids)
    for orbits in layers:
        digest = digest.with_layer(orbits)
    return digest.key


@dataclass(frozen=True)
class NetworkClass:
    """One class of states that are the same network.

    Attributes:
        key: its `class_key`.
        representative: the state with the fewest factors (the first of them in the alphabet's order), as a bit mask.
        states: how many states of the alphabet belong to it.
        orbits: number of orbits in each layer.
    """

    key: str
    representative: int
    states: int
    orbits: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class ClassTable:
    """All states of an alphabet and the class of each.

    Attributes:
        alphabet: the factors; bit i of a state is factor i.
        grids: the child's grids, input first.
        classes: the classes, in the order of their representatives.
        class_of_state: index into `classes` for each of the ``2 ** len(alphabet)`` states, by bit mask.
        group_names: the name of the group that each state generates, by bit mask; empty if they are not known.
    """

    alphabet: Alphabet
    grids: tuple[Grid, ...]
    classes: tuple[NetworkClass, ...]
    class_of_state: IntArray
    group_names: tuple[str, ...] = ()

    def decomposition(self, network_class: NetworkClass) -> Decomposition:
        """Return the representative of a class as a decomposition."""
        return self.alphabet.decomposition(mask_to_bits(network_class.representative, len(self.alphabet)))

    def key_of(self, state: int) -> str:
        """Return the class key of a state, given as a bit mask."""
        return self.classes[int(self.class_of_state[state])].key

    def remember_keys(self) -> None:
        """Make `class_key` return the keys of all states without computing orbits, in this process."""
        if len(self.class_of_state) > _MAX_KEYS // 4:
            return  # computing the orbits of the few visited states takes less time than all keys
        if len(_KEYS) + len(self.class_of_state) > _MAX_KEYS:
            _KEYS.clear()
        n = len(self.alphabet)
        for state, number in enumerate(self.class_of_state.tolist()):
            generators = self.alphabet.decomposition(mask_to_bits(state, n)).generators
            _KEYS[generators, self.grids] = self.classes[number].key

    def closed_set(self, network_class: NetworkClass) -> int:
        """Return every factor that keeps the orbits of a class, as a bit mask: all of its states together.

        One class has finer orbits than another in every layer just when its closed set lies in the other's.
        """
        members = np.flatnonzero(self.class_of_state == self.classes.index(network_class))
        return int(np.bitwise_or.reduce(members))


def bits_to_mask(bits: Sequence[int]) -> int:
    """Return a number whose lowest bits are `bits`, bit 0 first."""
    return sum(bit << i for i, bit in enumerate(bits))


def mask_to_bits(mask: int, n: int) -> tuple[int, ...]:
    """Return the n lowest bits of `mask`, bit 0 first."""
    return tuple(mask >> i & 1 for i in range(n))


class _Walk:
    """The search over closed sets: finds the classes and the class that each factor leads to from each of them.

    A join is the dear part, and most are spared: if a known class is made by some of the factors at hand and is kept by
    all of them, it is the class that they make.
    """

    def __init__(self, alphabet: Alphabet, grids: Sequence[Grid]) -> None:
        self.grids = grids
        # actions[i][l]: what factor i's generators do to the weights of layer l.
        self.actions = [
            [
                [pair_permutation(g.permutation(i), g.permutation(o)) for g in factor.generators]
                for i, o in layer_grids(grids)
            ]
            for factor in alphabet.factors
        ]
        self.keys: dict[str, int] = {}
        self.orbit_counts: list[tuple[int, ...]] = []
        self.step: list[list[int]] = []
        self.closed: list[int] = []  # by class: the factors that keep it, as a bit mask
        self.made_by: list[list[int]] = []  # by class: some states that make it
        self.visit([Orbits.discrete(cells_of(i) * cells_of(o)) for i, o in layer_grids(grids)], 0)

    def visit(self, layers: list[Orbits], state: int) -> int:
        """Return the number of the class with these orbits, which `state` makes; new ones are visited later."""
        key = _key(self.grids, layers)
        if key in self.keys:
            number = self.keys[key]
            self.made_by[number].append(state)
            return number
        number = self.keys[key] = len(self.keys)
        self.orbit_counts.append(tuple(orbits.count for orbits in layers))
        closed = self.closed_set(layers, state)
        self.closed.append(closed)
        self.made_by.append([state])
        steps: list[int] = []
        self.step.append(steps)
        for i, factor in enumerate(self.actions):
            bit = 1 << i
            if closed & bit:
                steps.append(number)
                continue
            known = self.known_class(closed | bit)
            if known is None:
                # Depth first: only the orbits on the way from the root (at most one per factor) are held at a time.
                known = self.visit([_join(o, p) for o, p in zip(layers, factor, strict=True)], state | bit)
            steps.append(known)
        return number

    def closed_set(self, layers: list[Orbits], state: int) -> int:
        """Return the factors that keep the orbits that `state` makes."""
        closed = self.implied(state)
        for i, factor in enumerate(self.actions):
            if not closed >> i & 1:
                kept = all(
                    orbits.is_kept_by(permutation)
                    for orbits, permutations in zip(layers, factor, strict=True)
                    for permutation in permutations
                )
                closed |= kept << i
        return closed

    def implied(self, factors: int) -> int:
        """Return all factors that are known to come with these: what makes a class brings its whole closed set."""
        while True:
            more = factors
            for number, states in enumerate(self.made_by):
                if self.closed[number] & ~more and any(made & ~more == 0 for made in states):
                    more |= self.closed[number]
            if more == factors:
                return factors
            factors = more

    def known_class(self, factors: int) -> int | None:
        """Return the class of these factors if it follows from the classes found so far."""
        factors = self.implied(factors)
        for number, states in enumerate(self.made_by):
            if factors & ~self.closed[number] == 0 and any(made & ~factors == 0 for made in states):
                return number
        return None


def _join(orbits: Orbits, permutations: Sequence[IntArray]) -> Orbits:
    for permutation in permutations:
        orbits = orbits.join(permutation)
    return orbits


def check_enumerable(alphabet: Alphabet, grids: Sequence[Grid]) -> None:
    """Check that the classes of an alphabet's states can be enumerated.

    Raises:
        GroupError: a factor does not fit a grid, a layer is too large, or there are too many states.
    """
    n = len(alphabet)
    if n > MAX_ENUMERATED_FACTORS:
        raise GroupError(f"alphabet has {n} factors, too many to enumerate 2^{n} states; offer at most 20.")
    alphabet.check(grids)
    layer_grids(grids)


def enumerate_classes(alphabet: Alphabet, grids: Sequence[Grid]) -> ClassTable:
    """Find every class of an alphabet's states on a child with the given grids.

    Args:
        alphabet: at most 20 factors.
        grids: the child's grids, input first, such as ``(28, 20, 20)``.

    Raises:
        GroupError: a factor does not fit a grid, or there are too many states.
    """
    check_enumerable(alphabet, grids)
    n = len(alphabet)
    walk = _Walk(alphabet, grids)
    class_of_state = np.zeros(2**n, dtype=np.int64)
    for state in range(1, 2**n):
        highest = state.bit_length() - 1
        class_of_state[state] = walk.step[class_of_state[state ^ (1 << highest)]][highest]
    counts = np.bincount(class_of_state, minlength=len(walk.keys))
    states = sorted(range(2**n), key=lambda state: (state.bit_count(), _reversed_bits(state, n)))
    representative: dict[int, int] = {}
    for state in states:
        representative.setdefault(int(class_of_state[state]), state)
    numbers = {number: key for key, number in walk.keys.items()}
    order = list(representative)
    classes = tuple(NetworkClass(numbers[c], representative[c], int(counts[c]), walk.orbit_counts[c]) for c in order)
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    table = ClassTable(alphabet, tuple(grids), classes, place[class_of_state])
    table.remember_keys()
    return table


def _reversed_bits(state: int, n: int) -> int:
    """Return a number that sorts states with early factors first (negative: bit 0 weighs most)."""
    return -int(f"{state:0{n}b}"[::-1], 2)
