"""The section `environment`: episodes and rewards of step-by-step agents."""

from typing import Literal

from pydantic import Field

from aen_agents.config.section import Section


class EnvironmentConfig(Section):
    """The environment.

    It is `aen/GroupDecomposition-v0` for dense children, `aen/LayerwiseGroup-v0` where factors are
    chosen for each layer, `aen/GCNNDesign-v0` for G-CNNs, `aen/LayerwiseRelaxation-v0` for the backbone of EquiNAS.
    """

    reward: Literal["paper", "delta", "improvement", "accuracy"] = Field(
        "delta", description="kind of reward; see the environment's documentation"
    )
    reference: Literal["untied", "rot90"] = Field(
        "untied",
        description="child whose accuracy rewards are compared with; rot90, that of C4, is for child.kind=gcnn",
    )
    horizon: int = Field(6, gt=0, le=10_000, description="steps per episode")
    n_envs: int | None = Field(
        None,
        gt=0,
        le=10_000,
        description="environments that run side by side; null: 1, and with evaluator.kind=ray enough for every worker",
    )
    collect: Literal["lockstep", "asynchronous"] | None = Field(
        None,
        description="whether environments wait for each other; null: lockstep for evaluator.kind=local",
    )
    stop_action: bool = Field(False, description="whether the agent may end an episode")
    inherit: bool = Field(True, description="for child.kind=equinas: whether children inherit their parents' weights")
    slices: int = Field(
        10,
        gt=0,
        le=10_000,
        description="for child.kind=equinas: trainings per episode after the first; they share training.epochs",
    )
    parameter_price: float = Field(
        0.0,
        ge=0,
        allow_inf_nan=False,
        description="for child.kind=equinas: price of growing by as many parameters as the first child has",
    )
    actions: Literal["all", "legal"] = Field(
        "all",
        description="for child.kind=equinas: an action for each layer and group, or only the legal ones of each state",
    )
