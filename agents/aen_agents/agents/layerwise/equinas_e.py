"""EquiNAS_E: evolution over groups per layer (Algorithm 1 of arXiv 2210.05484)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from aen.children import EquiNASSpec
from aen_agents.agents.layerwise.method import Member, Method
from aen_agents.agents.layerwise.neighbours import neighbours
from aen_agents.config import EquiNASEConfig

Selection = Literal["accuracy", "pareto"]


@dataclass(frozen=True)
class EquiNASE(Method):
    """Evolution of networks that start with the largest group in every layer and are relaxed during training.

    Attributes:
        subgroups: the groups to which layers are relaxed.
        generations: number of slices; each trains an equal part of the child's epochs.
        population: number of networks that are kept after each generation.
        selection: ``accuracy``: the best by validation accuracy; ``pareto``: first those on the Pareto front of
            validation error and parameters.
        unique: whether only the best network of each architecture is kept.
    """

    subgroups: tuple[str, ...]
    generations: int = 50
    population: int = 5
    selection: Selection = "accuracy"
    unique: bool = True

    @property
    def name(self) -> str:
        """The method's name in a config."""
        return "equinas_e"

    @property
    def title(self) -> str:
        """The method's title in tables and figures."""
        return "EquiNAS_E" + (", Pareto" if self.selection == "pareto" else "")

    @property
    def slices(self) -> int:
        """The number of slices: one for each generation."""
        return self.generations

    def start(self, seed: int, before: Member | None) -> list[EquiNASSpec]:
        """Return the network with the largest group everywhere."""
        del before
        return [self.slice_of(largest(self.child).with_seed(seed), parent=None)]

    def offspring(self, members: Sequence[Member], seed: int, slice_number: int) -> list[EquiNASSpec]:
        """Return every member's offspring: itself, and itself with one layer relaxed."""
        del seed, slice_number
        return [
            self.slice_of(member.spec.with_layer_groups(groups), parent=member.key)
            for member in members
            for groups in neighbours(member.spec.layer_groups, self.subgroups)
        ]

    def select(self, candidates: Sequence[Member]) -> list[Member]:
        """Return the next population, the best first."""
        alive = sorted((m for m in candidates if m.alive), key=lambda m: (-m.accuracy, m.evaluation.parameters, m.key))
        if self.unique:
            seen: dict[tuple[str, ...], Member] = {}
            for member in alive:
                seen.setdefault(member.spec.layer_groups, member)
            alive = list(seen.values())
        if self.selection == "pareto":
            front = pareto_front(alive)
            alive = [*front, *(member for member in alive if member not in front)]
        return alive[: self.population]


def methods(agent: EquiNASEConfig, child: EquiNASSpec, groups: tuple[str, ...]) -> list[Method]:
    """Return the method of a config; see `EquiNASEConfig.methods`."""
    return [
        EquiNASE(
            child,
            subgroups=groups,
            generations=agent.generations,
            population=agent.population,
            selection=agent.selection,
            unique=agent.unique,
        )
    ]


def largest(child: EquiNASSpec) -> EquiNASSpec:
    """Return the same child with the largest group in every layer."""
    return child.with_layer_groups((child.base,) * len(child.layer_groups))


def pareto_front(members: Sequence[Member]) -> list[Member]:
    """Return the Pareto front of validation error and number of parameters, the most accurate member first."""
    front: list[Member] = []
    for member in sorted(members, key=lambda m: (-m.accuracy, m.evaluation.parameters, m.key)):
        if all(member.evaluation.parameters < better.evaluation.parameters for better in front):
            front.append(member)
    return front
