"""EquiNAS_D: differentiable search over groups per layer (Algorithm 2 of arXiv 2210.05484)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from aen.children import EquiNASSpec
from aen.children.equinas import discretised_groups
from aen_agents.agents.layerwise.method import Member, Method
from aen_agents.config import EquiNASDConfig

AlphaData = Literal["same", "halves"]


@dataclass(frozen=True)
class EquiNASD(Method):
    """A network whose layers mix groups; its weights and the groups' strengths alpha are trained alternately.

    Attributes:
        subgroups: the groups that each layer mixes.
        alpha_learning_rate: the learning rate of Adam for alpha.
        alpha_data: see `aen.children.EquiNASSpec`.
        prior: see `aen.children.EquiNASSpec`.
        skip: see `aen.children.EquiNASSpec`.
        temperature: of the softmax in the first epoch and in the last; in between it changes by a constant factor.
    """

    subgroups: tuple[str, ...]
    alpha_learning_rate: float = 1e-3
    alpha_data: AlphaData = "same"
    prior: bool = False
    skip: bool = False
    temperature: tuple[float, float] = (1.0, 1.0)

    @property
    def name(self) -> str:
        """The method's name in a config."""
        return "equinas_d"

    @property
    def title(self) -> str:
        """The method's title in tables and figures."""
        return "EquiNAS_D, mixed"

    @property
    def slices(self) -> int:
        """The number of slices: one for each epoch."""
        return epochs_of(self.child)

    def start(self, seed: int, before: Member | None) -> list[EquiNASSpec]:
        """Return the mixed network."""
        del before
        mixed = replace(
            self.child,
            groups=(),
            head_group="",
            mixed=self.subgroups,
            alpha_learning_rate=self.alpha_learning_rate,
            alpha_data=self.alpha_data,
            prior=self.prior,
            skip=self.skip,
            temperature=self.temperature_of(1),
            seed=seed,
        )
        return [self.slice_of(mixed, parent=None)]

    def offspring(self, members: Sequence[Member], seed: int, slice_number: int) -> list[EquiNASSpec]:
        """Return the same network, at the temperature of the next epoch."""
        del seed
        now = self.temperature_of(slice_number)
        return [self.slice_of(replace(m.spec, temperature=now), parent=m.key) for m in members]

    def temperature_of(self, slice_number: int) -> float:
        """Return the temperature of an epoch, from 1."""
        first, last = self.temperature
        return first * math.pow(last / first, (slice_number - 1) / max(self.slices - 1, 1))


@dataclass(frozen=True)
class Discretised(Method):
    """The network with the strongest group in each layer of a mixed network, trained for as many epochs.

    Attributes:
        warm: whether it inherits the mixed network's weights; otherwise it is trained from scratch.
    """

    warm: bool = False

    @property
    def name(self) -> str:
        """The method's name in a config."""
        return "equinas_d_warm" if self.warm else "equinas_d_discrete"

    @property
    def title(self) -> str:
        """The method's title in tables and figures."""
        return "EquiNAS_D, discrete, " + ("warm start" if self.warm else "from nothing")

    @property
    def after(self) -> str:
        """The name of the mixed network's method."""
        return "equinas_d"

    @property
    def slices(self) -> int:
        """The number of slices: one for each epoch."""
        return epochs_of(self.child)

    def start(self, seed: int, before: Member | None) -> list[EquiNASSpec]:
        """Return the discretised network."""
        if before is None or before.evaluation.record is None:
            return []
        alphas: Any = before.evaluation.record["alphas"]
        groups = discretised_groups(alphas, before.spec.mixed, before.spec.base)
        discrete = before.spec.with_layer_groups(groups).with_seed(seed)
        return [self.slice_of(discrete, parent=before.key if self.warm else None)]


def methods(agent: EquiNASDConfig, child: EquiNASSpec, groups: tuple[str, ...]) -> list[Method]:
    """Return the methods of a config: the mixed network, and those that start from it."""
    mixed = EquiNASD(
        child,
        subgroups=groups,
        alpha_learning_rate=agent.alpha_learning_rate,
        alpha_data=agent.alpha_data,
        prior=agent.prior,
        skip=agent.skip,
        temperature=agent.temperature,
    )
    return [mixed, *(Discretised(child, warm=name == "warm") for name in agent.networks)]


def epochs_of(child: EquiNASSpec) -> int:
    """Return the number of slices of at most one epoch each."""
    return max(math.ceil(child.training.epochs), 1)
