"""The sections `budget` and `selection`: the length of the stages of a search."""

from typing import Literal

from pydantic import Field

from aen_agents.config.section import Section


class BudgetConfig(Section):
    """Limits of the search, which ends at the first one, or when every class is known.

    `steps` is for agents that step through an environment (dqn), `children` also for racing and search strategies. How
    far a search with `minutes` comes depends on the machine and on what else it does: its figures cannot be reproduced.
    """

    children: int = Field(
        60, gt=0, description="children that are trained; of dqn, first visits of what it counts (agent.first_visits)"
    )
    steps: int = Field(5000, gt=0, description="environment steps")
    minutes: float | None = Field(
        None,
        gt=0,
        allow_inf_nan=False,
        description="time of the whole search, over all its starts; exploring ends in time for the selection stage, "
        "which is made smaller if it must be; null: no limit",
    )


class SelectionConfig(Section):
    """The stage after exploring, which trains the best classes again on fresh seeds."""

    top: int = Field(5, gt=0, le=10_000, description="classes that are trained again")
    seeds: int = Field(5, gt=1, le=10_000, description="seeds for each class")
    rivals: tuple[Literal["augmentation"], ...] = Field(
        ("augmentation",),
        description="what else is trained: augmentation: no symmetry, the images moved by the best class's group",
    )
    ties: Literal["validation", "images"] = Field(
        "validation",
        description="which of the networks that cannot be told from the best wins: the best on validation; or images: "
        "one whose symmetry the training images have by the symmetry test, if there is one",
    )
    train: int | None = Field(None, gt=0, description="training images of this stage; null: data.train")
    epochs: float | None = Field(
        None, gt=0, allow_inf_nan=False, description="epochs of this stage; null: training.epochs"
    )
