"""The sections `budget` and `selection`: the length of the stages of a search."""

from typing import Literal

from pydantic import Field

from aen_agents.config.section import Section


class BudgetConfig(Section):
    """Limits of exploring, which ends at the first one, or when every class is known. For step-by-step agents (dqn)."""

    children: int = Field(60, gt=0, description="first visits of what the agent counts (agent.first_visits)")
    steps: int = Field(5000, gt=0, description="environment steps")


class SelectionConfig(Section):
    """The stage after exploring, which trains the best classes again on fresh seeds."""

    top: int = Field(5, gt=0, description="classes that are trained again")
    seeds: int = Field(5, gt=1, description="seeds for each class")
    rivals: tuple[Literal["augmentation"], ...] = Field(
        ("augmentation",),
        description="what else is trained: augmentation: no symmetry, the images moved by the best class's group",
    )
    train: int | None = Field(None, gt=0, description="training images of this stage; null: data.train")
    epochs: float | None = Field(
        None, gt=0, allow_inf_nan=False, description="epochs of this stage; null: training.epochs"
    )
