"""EquiNAS_D: differentiable search over groups per layer (Algorithm 2 of arXiv 2210.05484)."""

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from aen.children import EquiNASSpec
from aen.children.equinas_groups import discretised_groups
from aen_agents.agents.layerwise.method import Member, Method, Trained
from aen_agents.config import EquiNASDConfig

AlphaData = Literal["same", "halves"]


@dataclass(frozen=True)
class EquiNASD(Trained):
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
class Discretised(Trained):
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

    def start(self, seed: int, before: Member | None) -> list[EquiNASSpec]:
        """Return the discretised network."""
        if before is None or before.evaluation.record is None:
            return []
        alphas: Any = before.evaluation.record["alphas"]
        groups = discretised_groups(alphas, before.spec.mixed, before.spec.base)
        discrete = before.spec.with_layer_groups(groups).with_seed(seed)
        return [self.slice_of(discrete, parent=before.key if self.warm else None)]


@dataclass(frozen=True)
class MixedRetrained(Trained):
    """The mixed network with the final alpha of EquiNAS_D, which stays fixed, trained from scratch."""

    @property
    def name(self) -> str:
        """The method's name in a config."""
        return "equinas_d_retrain"

    @property
    def title(self) -> str:
        """The method's title in tables and figures."""
        return "EquiNAS_D, mixed, retrained from scratch"

    @property
    def after(self) -> str:
        """The name of the mixed network's method."""
        return "equinas_d"

    def start(self, seed: int, before: Member | None) -> list[EquiNASSpec]:
        """Return the mixed network with the alpha that was found."""
        if before is None or before.evaluation.record is None:
            return []
        alphas: Any = before.evaluation.record["alphas"]
        found = tuple(tuple(own) for own in alphas)
        spec = replace(before.spec, alpha=found, alpha_learning_rate=0.0, prior=False, seed=seed)
        return [self.slice_of(spec, parent=None)]


@dataclass(frozen=True)
class RandomZ(EquiNASD):
    """EquiNAS_D whose gradients of alpha are permuted at random in every step."""

    @property
    def name(self) -> str:
        """The method's name in a config."""
        return "random_z"

    @property
    def title(self) -> str:
        """The method's title in tables and figures."""
        return "mixed, alpha's gradient permuted"

    def start(self, seed: int, before: Member | None) -> list[EquiNASSpec]:
        """Return the mixed network."""
        return [replace(spec, alpha_gradient="permuted") for spec in super().start(seed, before)]


@dataclass(frozen=True)
class RandomMixture(EquiNASD):
    """A mixed network whose alpha is drawn from a standard normal distribution for each seed and stays fixed."""

    @property
    def name(self) -> str:
        """The method's name in a config."""
        return "random_mixture"

    @property
    def title(self) -> str:
        """The method's title in tables and figures."""
        return "mixed, random alpha"

    def start(self, seed: int, before: Member | None) -> list[EquiNASSpec]:
        """Return the mixed network with the alpha of this seed."""
        source = random.Random(f"{self.name} {seed}")  # noqa: S311 - not a secret
        (spec,) = super().start(seed, before)
        drawn = tuple(tuple(source.gauss(0, 1) for _ in range(count)) for count in spec.branches)
        return [replace(spec, alpha=drawn, alpha_learning_rate=0.0, prior=False)]


def methods(agent: EquiNASDConfig, child: EquiNASSpec, groups: tuple[str, ...]) -> list[Method]:
    """Return the methods of a config: the mixed network, and the networks that are compared with it."""
    settings: dict[str, Any] = {
        "subgroups": groups,
        "alpha_learning_rate": agent.alpha_learning_rate,
        "alpha_data": agent.alpha_data,
        "prior": agent.prior,
        "skip": agent.skip,
        "temperature": agent.temperature,
    }
    others: Mapping[str, Callable[[], Method]] = {
        "discrete": lambda: Discretised(child),
        "warm": lambda: Discretised(child, warm=True),
        "retrain": lambda: MixedRetrained(child),
        "random_z": lambda: RandomZ(child, **settings),
        "random_mixture": lambda: RandomMixture(child, **settings),
    }
    return [EquiNASD(child, **settings), *(others[name]() for name in dict.fromkeys(agent.networks))]
