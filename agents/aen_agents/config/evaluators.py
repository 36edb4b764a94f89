"""The sections `evaluator` and `cluster`: who trains the children, and where."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, Discriminator, Field, Tag, field_validator

from aen_agents.config.section import Section


class LocalConfig(Section):
    """Children are trained on this machine; see `aen.evaluators.LocalEvaluator`."""

    kind: Literal["local"] = Field("local", description="who trains the children")
    device: str = Field("cpu", pattern=r"^(cpu|cuda(:\d+)?)$", description="use cpu, cuda or cuda:1")
    threads: int = Field(1, gt=0, description="CPU threads per worker; results depend on it in their last bits")
    workers: int | None = Field(
        None, gt=0, description="processes that train; null: 1 for an agent that walks (dqn), every core for the others"
    )
    population: int | None = Field(
        None,
        gt=0,
        description="children that a worker trains side by side; results depend on it in their last bits; null: 64 on "
        "CUDA if the agent knows its children ahead, else 1",
    )


class RayConfig(Section):
    """Children are trained by Ray actors, here or on a cluster; see `RayEvaluator`."""

    kind: Literal["ray"] = Field("ray", description="who trains the children")
    workers: int | None = Field(None, gt=0, description="actors that train; null: as many as the cluster has room for")
    cpus_per_worker: float = Field(1.0, gt=0, allow_inf_nan=False, description="cores that Ray sets aside for each")
    gpus_per_worker: float = Field(
        0.0, ge=0, allow_inf_nan=False, description="GPUs, or a part of one; 0: children are trained on the CPU"
    )
    threads: int = Field(1, gt=0, description="CPU threads per worker; results depend on it in their last bits")
    population_per_worker: int | None = Field(
        None,
        gt=0,
        description="children that a worker trains side by side; results depend on it in their last bits; null: 64 on "
        "GPUs if the agent knows its children ahead, else 1",
    )
    timeout: float | None = Field(
        None, gt=0, allow_inf_nan=False, description="seconds that a child may take; null: as long as it likes"
    )
    retries: int = Field(3, ge=0, description="how often a child is tried again after its worker died")

    @field_validator("gpus_per_worker")
    @classmethod
    def _whole_above_one(cls, gpus: float) -> float:
        if gpus > 1 and gpus != int(gpus):
            raise ValueError("above 1 it must be whole; give 0.5, 1 or 2")
        return gpus

    @property
    def device(self) -> str:
        """Where a worker trains; Ray lets each see its own GPU alone."""
        return "cuda" if self.gpus_per_worker else "cpu"

    @property
    def population(self) -> int | None:
        """As `LocalConfig` calls it."""
        return self.population_per_worker


EVALUATORS: Mapping[str, type[BaseModel]] = {"local": LocalConfig, "ray": RayConfig}


def _evaluator_kind(value: object) -> str | None:
    """Say which evaluator a section is about: the one it names, local if it names none."""
    return str(value.get("kind", "local")) if isinstance(value, dict) else getattr(value, "kind", None)


EvaluatorConfig = Annotated[
    Annotated[LocalConfig, Tag("local")] | Annotated[RayConfig, Tag("ray")], Discriminator(_evaluator_kind)
]


class ClusterConfig(Section):
    """The Ray cluster, for evaluator.kind=ray."""

    address: str | None = Field(
        None, min_length=1, description="host:port, ray://host:port or auto; null: the cluster around, else one here"
    )
    connect_timeout: float = Field(30.0, gt=0, allow_inf_nan=False, description="seconds to wait for it")
