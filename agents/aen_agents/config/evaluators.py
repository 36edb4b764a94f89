"""The sections `evaluator` and `cluster`: what trains the children, and where."""

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field, field_validator

from aen_agents.config.section import Section
from aen_agents.config.union import Kinds

AUTO: Literal["auto"] = "auto"  # aen chooses the value when a search starts


class EvaluatorSection(Section):
    """The settings of an evaluator.

    Every kind has `kind`, `workers`, `threads`, `device` and `population`, as fields or as properties.

    Attributes:
        factory: the `aen_agents.evaluators.factory.EvaluatorFactory` of the kind, as ``module:class``.
        parallel: whether it trains many children at a time, so that a step-by-step agent uses several environments.
        in_sweeps: whether the trials of a sweep can use it.
        sections: the sections it uses among those that only some evaluators use: `cluster`.
        changeable: keys that a resumed run may change, since results do not depend on them.
        automatic: keys whose value may be `AUTO`: it is chosen when a search starts (`EvaluatorFactory.resolve`), and
            the run folder's config has the value that was chosen.
    """

    factory: ClassVar[str]
    parallel: ClassVar[bool] = False
    in_sweeps: ClassVar[bool] = False
    sections: ClassVar[tuple[str, ...]] = ()
    changeable: ClassVar[tuple[str, ...]] = ()
    automatic: ClassVar[tuple[str, ...]] = ()

    if TYPE_CHECKING:

        @property
        def kind(self) -> str:
            """The kind's name."""

        @property
        def threads(self) -> int:
            """CPU threads per worker."""

        @property
        def device(self) -> str:
            """The device on which a worker trains."""

        @property
        def workers(self) -> int | None:
            """How many workers train; None: chosen by the agent, or as many as fit."""

        @property
        def population(self) -> int | None:
            """How many children a worker trains together; None: chosen by the agent and the device."""


class LocalConfig(EvaluatorSection):
    """Children are trained on this machine; see `aen.evaluators.LocalEvaluator`."""

    factory: ClassVar[str] = "aen_agents.evaluators.factory:LocalFactory"
    in_sweeps: ClassVar[bool] = True
    changeable: ClassVar[tuple[str, ...]] = ("workers",)
    automatic: ClassVar[tuple[str, ...]] = ("device",)

    kind: Literal["local"] = Field("local", description="what trains the children")
    device: str = Field(
        AUTO,
        pattern=r"^(auto|cpu|cuda(:\d+)?)$",
        description="use cpu, cuda or cuda:1, or auto for cuda if torch can use a GPU and cpu otherwise",
    )
    threads: int = Field(
        1, gt=0, le=4096, description="CPU threads per worker; results depend on it in their last bits"
    )
    workers: int | None = Field(
        None,
        gt=0,
        le=10_000,
        description="worker processes; null: 1 for step-by-step agents (dqn), otherwise as many as cores allow",
    )
    population: int | None = Field(
        None,
        gt=0,
        le=100_000,
        description="children that a worker trains side by side; results depend on it in their last bits; null: 64 on "
        "CUDA if the agent can submit many children at once, otherwise 1",
    )


class RayConfig(EvaluatorSection):
    """Children are trained by Ray actors, here or on a cluster; see `RayEvaluator`."""

    factory: ClassVar[str] = "aen_agents.evaluators.ray.factory:RayFactory"
    parallel: ClassVar[bool] = True
    sections: ClassVar[tuple[str, ...]] = ("cluster",)
    automatic: ClassVar[tuple[str, ...]] = ("gpus_per_worker",)
    # gpus_per_worker not from or to 0: with 0 children are trained on the CPU
    changeable: ClassVar[tuple[str, ...]] = ("workers", "cpus_per_worker", "gpus_per_worker", "timeout", "retries")

    kind: Literal["ray"] = Field("ray", description="what trains the children")
    workers: int | None = Field(
        None, gt=0, le=100_000, description="actors that train; null: as many as the cluster has room for"
    )
    cpus_per_worker: float = Field(1.0, gt=0, allow_inf_nan=False, description="cores that Ray sets aside for each")
    gpus_per_worker: Literal["auto"] | Annotated[float, Field(ge=0, allow_inf_nan=False)] = Field(
        AUTO,
        description="GPUs, or a part of one; 0: children are trained on the CPU; auto: if the cluster has GPUs, so "
        "large a part of one that the workers fit in its memory, otherwise 0",
    )
    threads: int = Field(
        1, gt=0, le=4096, description="CPU threads per worker; results depend on it in their last bits"
    )
    population_per_worker: int | None = Field(
        None,
        gt=0,
        le=100_000,
        description="children that a worker trains side by side; results depend on it in their last bits; null: 64 on "
        "GPUs if the agent can submit many children at once, otherwise 1",
    )
    timeout: float | None = Field(
        None, gt=0, allow_inf_nan=False, description="seconds that a child may take; null: no limit"
    )
    retries: int = Field(3, ge=0, le=1000, description="how often a child is retried after its worker died")

    @field_validator("gpus_per_worker")
    @classmethod
    def _whole_above_one(cls, gpus: float | str) -> float | str:
        if not isinstance(gpus, str) and gpus > 1 and gpus != int(gpus):
            raise ValueError("above 1 it must be a whole number; give 0.5, 1 or 2")
        return gpus

    @property
    def device(self) -> str:
        """The device on which a worker trains; Ray makes only its own GPU visible to it."""
        if self.gpus_per_worker == AUTO:
            return AUTO
        return "cuda" if self.gpus_per_worker else "cpu"

    @property
    def population(self) -> int | None:
        """The value of `population_per_worker`."""
        return self.population_per_worker


EVALUATORS = Kinds(
    EvaluatorSection, key="kind", what="evaluator", group="aen.evaluators", built_in=(LocalConfig, RayConfig)
)

EvaluatorConfig = Annotated[EvaluatorSection, EVALUATORS]


class ClusterConfig(Section):
    """The Ray cluster, for evaluator.kind=ray."""

    address: str | None = Field(
        None,
        min_length=1,
        description="host:port, ray://host:port or auto; null: the cluster that this runs in, or a new local one",
    )
    connect_timeout: float = Field(30.0, gt=0, allow_inf_nan=False, description="seconds to wait for the connection")
    token_file: str | None = Field(
        None,
        min_length=1,
        description="file that contains the cluster's token; null: that of $RAY_AUTH_TOKEN or $RAY_AUTH_TOKEN_PATH, "
        "and for a cluster of yours on this machine that of ~/.ray/auth_token",
    )
