"""The baselines of layer-wise methods: networks whose groups are fixed or drawn at random."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from aen.children import EquiNASSpec
from aen_agents.agents.layerwise.equinas_e import largest
from aen_agents.agents.layerwise.method import Member, Method, Trained
from aen_agents.agents.layerwise.neighbours import Steps, neighbours, random_architecture

# The published weight of the residual pathway prior's penalty.
RPP_PENALTY = 1e-6


@dataclass(frozen=True)
class Static(Trained):
    """The same group in all layers; the product of channels and order is that of the largest group.

    Attributes:
        group: the group of all layers.
        drawn_as: the group whose initial weights are drawn and then relaxed to `group`; empty: `group` itself.
    """

    group: str = "C1"
    drawn_as: str = ""

    @property
    def name(self) -> str:
        """The method's name in a config."""
        if self.drawn_as:
            return f"{self.group.lower()}_from_{self.drawn_as.lower()}"
        return f"static_{self.group.lower()}"

    @property
    def title(self) -> str:
        """The method's title in tables and figures."""
        return f"{self.group}, drawn as {self.drawn_as}" if self.drawn_as else f"{self.group} everywhere"

    def start(self, seed: int, before: Member | None) -> list[EquiNASSpec]:
        """Return the network."""
        del before
        groups = (self.group,) * len(self.child.layer_groups)
        spec = replace(self.child.with_layer_groups(groups), drawn_as=self.drawn_as, seed=seed)
        return [self.slice_of(spec, parent=None)]


@dataclass(frozen=True)
class Architecture(Trained):
    """The architecture that the config names, trained from scratch.

    Attributes:
        groups: of the layers.
    """

    groups: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The method's name in a config."""
        return "architecture"

    @property
    def title(self) -> str:
        """The method's title in tables and figures."""
        return "named architecture"

    def start(self, seed: int, before: Member | None) -> list[EquiNASSpec]:
        """Return the network."""
        del before
        return [self.slice_of(self.child.with_layer_groups(self.groups).with_seed(seed), parent=None)]


@dataclass(frozen=True)
class ResidualPathwayPrior(Trained):
    """The sum of a branch of the largest group and a branch without symmetry, whose weights are penalised."""

    penalty: float = RPP_PENALTY

    @property
    def name(self) -> str:
        """The method's name in a config."""
        return "rpp"

    @property
    def title(self) -> str:
        """The method's title in tables and figures."""
        return "residual pathway prior"

    def start(self, seed: int, before: Member | None) -> list[EquiNASSpec]:
        """Return the network."""
        del before
        spec = replace(
            self.child,
            groups=(),
            head_group="",
            mixed=(self.child.base, "C1"),
            weighting="sum",
            keep_norm=False,
            penalty=self.penalty,
            seed=seed,
        )
        return [self.slice_of(spec, parent=None)]


@dataclass(frozen=True)
class RandomArchitecture(Trained):
    """Groups drawn at random for each seed, trained from scratch."""

    subgroups: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The method's name in a config."""
        return "random_architecture"

    @property
    def title(self) -> str:
        """The method's title in tables and figures."""
        return "random architecture"

    def start(self, seed: int, before: Member | None) -> list[EquiNASSpec]:
        """Return the network with the groups of this seed."""
        del before
        source = random.Random(f"{self.name} {seed}")  # noqa: S311 - not a secret
        groups = random_architecture(len(self.child.layer_groups), self.subgroups, source)
        return [self.slice_of(self.child.with_layer_groups(groups).with_seed(seed), parent=None)]


@dataclass(frozen=True)
class RandomSteps(Method):
    """One network that takes a random step of EquiNAS_E before each slice after the first, without selection."""

    subgroups: tuple[str, ...] = ()
    generations: int = 50
    steps: Steps = "published"

    @property
    def name(self) -> str:
        """The method's name in a config."""
        return "random_steps"

    @property
    def title(self) -> str:
        """The method's title in tables and figures."""
        return "random search steps"

    @property
    def slices(self) -> int:
        """The number of slices: the start, and one for each generation."""
        return self.generations + 1

    def start(self, seed: int, before: Member | None) -> list[EquiNASSpec]:
        """Return the network with the largest group everywhere."""
        del before
        return [self.slice_of(largest(self.child).with_seed(seed), parent=None)]

    def offspring(self, members: Sequence[Member], seed: int, slice_number: int) -> list[EquiNASSpec]:
        """Return the network after a random step."""
        source = random.Random(f"{self.name} {seed} {slice_number}")  # noqa: S311 - not a secret
        found = []
        for member in members:
            groups = source.choice(neighbours(member.spec.layer_groups, self.subgroups, self.steps))
            found.append(self.slice_of(member.spec.with_layer_groups(groups), parent=member.key))
        return found
