"""The sections `budget` and `selection`: how long the stages of a search are."""

from pydantic import Field

from aen_agents.config.section import Section


class BudgetConfig(Section):
    """When exploring ends: at the first of these, or when every class is known. The exhaustive agent heeds neither."""

    children: int = Field(60, gt=0, description="first visits, of what the agent counts")
    steps: int = Field(5000, gt=0, description="environment steps")


class SelectionConfig(Section):
    """The stage after exploring: the best classes again, on fresh seeds."""

    top: int = Field(5, gt=0, description="classes that are trained again")
    seeds: int = Field(5, gt=1, description="seeds for each")
