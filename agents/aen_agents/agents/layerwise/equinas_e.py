"""EquiNAS_E: evolution over groups per layer (Algorithm 1 of arXiv 2210.05484)."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from aen.children import EquiNASSpec
from aen_agents.agents.layerwise.method import Member, Method, Trained, rank, ranked
from aen_agents.agents.layerwise.neighbours import Steps, neighbours, random_architectures
from aen_agents.config import EquiNASEConfig

Selection = Literal["accuracy", "pareto"]
# How many random architectures are kept, as published.
_KEPT = 5


@dataclass(frozen=True)
class EquiNASE(Method):
    """Evolution of networks that start with the largest group in every layer and are relaxed during training.

    Attributes:
        subgroups: the groups to which layers are relaxed.
        generations: number of generations of offspring, after the start; it and each of them train an equal part of the
            child's epochs.
        population: number of networks that are kept after each generation.
        selection: ``accuracy``: the best by validation accuracy; ``pareto``: the whole Pareto front of validation error
            and parameters, and if that is fewer than `population`, the best others by accuracy.
        unique: whether only the best network of each architecture is kept.
        steps: how far a layer may be relaxed at once; see `neighbours`.
    """

    subgroups: tuple[str, ...]
    generations: int = 50
    population: int = 5
    selection: Selection = "accuracy"
    unique: bool = False
    steps: Steps = "published"

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
        """The number of slices: the start, and one for each generation."""
        return self.generations + 1

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
            for groups in neighbours(member.spec.layer_groups, self.subgroups, self.steps)
        ]

    def most_children(self) -> list[int]:
        """Return how many children each slice trains at most, on one seed, if at most `population` are kept."""
        found, reached = [1], {largest(self.child).layer_groups}
        new, widest, kept = reached, 0, 1
        for _ in range(self.generations):
            steps = [neighbours(groups, self.subgroups, self.steps) for groups in new]
            widest = max([widest, *map(len, steps)])
            found.append(kept * widest)
            kept = min(self.population, found[-1])
            new = {groups for step in steps for groups in step} - reached
            reached = reached | new
        return found

    def select(self, candidates: Sequence[Member]) -> list[Member]:
        """Return the next population, the best first."""
        alive = ranked(candidates)
        if self.unique:
            seen: dict[tuple[str, ...], Member] = {}
            for member in alive:
                seen.setdefault(member.spec.layer_groups, member)
            alive = list(seen.values())
        front = pareto_front(alive) if self.selection == "pareto" else []
        others = [member for member in alive if member not in front]
        return [*front, *others[: max(self.population - len(front), 0)]]


@dataclass(frozen=True)
class RandomSelect(EquiNASE):
    """EquiNAS_E whose population is chosen at random after every generation, not by accuracy."""

    @property
    def name(self) -> str:
        """The method's name in a config."""
        return "random_select"

    @property
    def title(self) -> str:
        """The method's title in tables and figures."""
        return "EquiNAS_E, random selection"

    def select(self, candidates: Sequence[Member]) -> list[Member]:
        """Return random members, the best first; their keys, which depend on the seed, decide on the draw."""
        alive = sorted((member for member in candidates if member.alive), key=lambda member: member.key)
        source = random.Random(" ".join([self.name, *(member.key for member in alive)]))  # noqa: S311 - not a secret
        return ranked(source.sample(alive, min(self.population, len(alive))))


@dataclass(frozen=True)
class Retrained(Trained):
    """The architecture that EquiNAS_E found, trained from scratch for as many epochs."""

    @property
    def name(self) -> str:
        """The method's name in a config."""
        return "equinas_e_retrain"

    @property
    def title(self) -> str:
        """The method's title in tables and figures."""
        return "EquiNAS_E, retrained from scratch"

    @property
    def after(self) -> str:
        """The name of the search's method."""
        return "equinas_e"

    def start(self, seed: int, before: Member | None) -> list[EquiNASSpec]:
        """Return the network that was found, untrained."""
        if before is None:
            return []
        return [self.slice_of(before.spec.with_seed(seed), parent=None)]


@dataclass(frozen=True)
class RandomStatic(Trained):
    """Random architectures, each trained from scratch; the best by validation accuracy is the result.

    Attributes:
        subgroups: the groups that layers may have.
        networks: number of architectures.
    """

    subgroups: tuple[str, ...] = ()
    networks: int = 30

    @property
    def name(self) -> str:
        """The method's name in a config."""
        return "random_static"

    @property
    def title(self) -> str:
        """The method's title in tables and figures."""
        return f"best of {self.networks} random architectures"

    def start(self, seed: int, before: Member | None) -> list[EquiNASSpec]:
        """Return the networks of this seed, which have different architectures."""
        del before
        source = random.Random(f"{self.name} {seed}")  # noqa: S311 - not a secret
        drawn = random_architectures(self.networks, len(self.child.layer_groups), self.subgroups, source)
        return [self.slice_of(self.child.with_layer_groups(g).with_seed(seed), parent=None) for g in drawn]

    def select(self, candidates: Sequence[Member]) -> list[Member]:
        """Return all networks, the best first, and only the five best once they are trained."""
        alive = ranked(candidates)
        total = self.child.training.epochs
        trained = bool(alive) and alive[0].epochs > total * (1 - 0.5 / self.slices)
        return alive[:_KEPT] if trained else alive


def methods(agent: EquiNASEConfig, child: EquiNASSpec, groups: tuple[str, ...]) -> list[Method]:
    """Return the methods of a config; see `EquiNASEConfig.methods`."""
    evolution: dict[str, Any] = {
        "subgroups": groups,
        "generations": agent.generations,
        "population": agent.population,
        "steps": agent.steps,
    }
    others: Mapping[str, Callable[[], Method]] = {
        "retrain": lambda: Retrained(child),
        "random_select": lambda: RandomSelect(child, **evolution),
        "random_static": lambda: RandomStatic(child, subgroups=groups, networks=agent.random_networks),
    }
    own = EquiNASE(child, **evolution, selection=agent.selection, unique=agent.unique)
    return [own, *(others[name]() for name in dict.fromkeys(agent.networks))]


def largest(child: EquiNASSpec) -> EquiNASSpec:
    """Return the same child with the largest group in every layer."""
    return child.with_layer_groups((child.base,) * len(child.layer_groups))


def pareto_front(members: Sequence[Member]) -> list[Member]:
    """Return the Pareto front of validation error and number of parameters, the most accurate member first."""
    front: list[Member] = []
    for member in sorted(members, key=rank):
        if all(member.evaluation.parameters < better.evaluation.parameters for better in front):
            front.append(member)
    return front
