"""RelaxationSpace: children of the EquiNAS backbone with a group for each layer."""

from collections.abc import Hashable, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import pairwise

import numpy as np

from aen.children.equinas import LAYERS, EquiNASSpec
from aen.errors import SpecError
from aen.groups.decomposition import Decomposition
from aen.groups.planar import PlanarGroup
from aen.groups.planar_factors import planar_factors
from aen.spaces.base import Space, SpaceClass
from aen.spaces.gcnn import group_of_moves


class RelaxationSpace(Space):
    """Every assignment of groups to the layers of one child in which groups only shrink along the network.

    A state has the number of a group for each layer: the eight convolutions and, unless the child is `published`, the
    dense layer. Number 0 is the child's base, with which an episode starts, and the last number is C1. So the baseline
    (C1 everywhere) is the last choice everywhere, not choice 0. Sequences of numbers in which a group grows are not
    states.

    All ten subgroups of D4 give 1,210 states on nine layers; the six groups C1, C2, C4, D1, D2 and D4 give 550. Each
    state is a class of its own.

    Args:
        child: all other settings of the children; its own groups and parent are not used.
        groups: names of the groups on offer: subgroups of the child's base, among them the base and C1. None: all.

    Attributes:
        child: the child of choice 0 everywhere.
        groups: names of the groups on offer, largest first.

    Raises:
        SpecError: `groups` is empty, lacks the base or C1, or has a duplicate or a group that is no subgroup of the
            base.
        GroupError: an unknown group.
    """

    def __init__(self, child: EquiNASSpec, groups: Sequence[str] | None = None) -> None:
        self.layers = LAYERS + (not child.published)
        self.groups = _checked(PlanarGroup.of(child.base), groups)
        self.child = replace(child.with_layer_groups((child.base,) * self.layers), parent=None)

    def with_seed(self, seed: int) -> "RelaxationSpace":
        """Return the same space with another seed for all children."""
        return RelaxationSpace(self.child.with_seed(seed), self.groups)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Number of groups on offer, for each layer."""
        return (len(self.groups),) * self.layers

    @cached_property
    def _below(self) -> tuple[tuple[int, ...], ...]:
        """The subgroups of each group, itself included, among those on offer."""
        groups = [PlanarGroup.of(name) for name in self.groups]
        return tuple(tuple(number for number, other in enumerate(groups) if other <= group) for group in groups)

    @cached_property
    def _steps(self) -> tuple[tuple[int, ...], ...]:
        """The maximal proper subgroups of each group, among those on offer."""
        proper = [set(below) - {number} for number, below in enumerate(self._below)]
        return tuple(tuple(sorted(own - set().union(*(proper[other] for other in own)))) for own in proper)

    @cached_property
    def _chains(self) -> tuple[tuple[int, ...], ...]:
        chains: list[tuple[int, ...]] = [(number,) for number in range(len(self.groups))]
        for _ in range(self.layers - 1):
            chains = [(*chain, number) for chain in chains for number in self._below[chain[-1]]]
        return tuple(chains)

    @cached_property
    def classes(self) -> tuple[SpaceClass, ...]:
        """One for each state, the base everywhere first and the baseline last."""
        return tuple(SpaceClass(self.spec_of(state).class_key, state, 1) for state in self._chains)

    @property
    def all_states(self) -> tuple[tuple[int, ...], ...]:
        """Every state, the base everywhere first."""
        return self._chains

    @property
    def states(self) -> int:
        """Number of states, in which groups only shrink."""
        return len(self._chains)

    @property
    def baseline(self) -> SpaceClass:
        """The class of the child with C1 everywhere."""
        return self.classes[-1]

    @property
    def baseline_state(self) -> tuple[int, ...]:
        """The last choice, C1, everywhere."""
        return (len(self.groups) - 1,) * self.layers

    @property
    def form(self) -> str:
        """The form of a state, for messages."""
        return (
            f"{self.layers} numbers from 0 ({self.groups[0]}) to {len(self.groups) - 1} ({self.groups[-1]}), whose "
            f"groups only shrink along the network: {', '.join(self.groups)}"
        )

    def has(self, state: Sequence[int]) -> bool:
        """Return whether a sequence of numbers is a state."""
        fits = np.shape(state) == (self.layers,) and all(number in range(len(self.groups)) for number in state)
        return fits and all(int(behind) in self._below[int(before)] for before, behind in pairwise(state))

    def names_of(self, state: Sequence[int]) -> tuple[str, ...]:
        """Return the name of each layer's group."""
        return tuple(self.groups[number] for number in state)

    def spec_of(self, state: Sequence[int]) -> EquiNASSpec:
        """Return the child with these groups and no parent.

        Raises:
            SpecError: not a state.
        """
        if not self.has(state):
            raise SpecError(f"state is {list(state)}; give {self.form}.")
        return self.child.with_layer_groups(self.names_of(state))

    def content(self) -> tuple[Hashable, ...]:
        """Return child and groups."""
        return self.child, self.groups

    def spec_of_moves(self, moves: Sequence[str]) -> EquiNASSpec | None:
        """Return the child with the group that moves generate in every layer; None unless all are planar.

        The group need not be on offer.

        Raises:
            SpecError: the group is no subgroup of the child's base.
        """
        group = group_of_moves(moves)
        return None if group is None else self.child.with_layer_groups((group.name,) * self.layers)

    def symmetry_factors(self) -> tuple[Decomposition, ...]:
        """Return the groups on offer, as far as they act exactly on square grids."""
        return planar_factors(reversed(self.groups))

    def labels(self, state: Sequence[int]) -> tuple[str, ...]:
        """Return the name of each layer's group."""
        return self.names_of(state)

    def relaxations(self, state: Sequence[int]) -> tuple[tuple[int, int], ...]:
        """Return the possible relaxations of a state as (layer, number of its new group).

        A relaxation replaces the group of one layer by one of its maximal subgroups on offer, which must contain the
        group of the next layer.
        """
        behind = (*state[1:], len(self.groups) - 1)
        return tuple(
            (layer, number)
            for layer, own in enumerate(state)
            for number in self._steps[own]
            if behind[layer] in self._below[number]
        )


def _checked(base: PlanarGroup, groups: Sequence[str] | None) -> tuple[str, ...]:
    """Return the names of the groups on offer, largest first."""
    known = [group.name for group in reversed(base.subgroups())]
    if groups is None:
        return tuple(known)
    if isinstance(groups, str) or not groups:
        raise SpecError(f"groups is {groups!r}; give a list of subgroups of {base}, such as {[base.name, 'C1']}.")
    named = [PlanarGroup.of(name).name for name in groups]
    if len(set(named)) < len(named):
        raise SpecError(f"groups is {named}; name each group once.")
    for name in named:
        if name not in known:
            raise SpecError(f"groups is {named}, but {name} is no subgroup of {base}; those are {', '.join(known)}.")
    for name, role in ((base.name, "with which every layer starts"), ("C1", "which the baseline has everywhere")):
        if name not in named:
            raise SpecError(f"groups is {named}, without {name}, {role}; add it.")
    return tuple(name for name in known if name in named)
