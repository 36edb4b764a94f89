"""Groups: what factors generate on a grid, and the classes of an alphabet; viewers may ask, nothing is changed."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from aen_service.access import AnyToken, TheService
from aen_service.computing.groups import MOST_FACTORS, MOST_GRIDS, MOST_SIDE

router = APIRouter(prefix="/groups", tags=["groups"])
_DESCRIBE_SECONDS, _CLASSES_SECONDS = 20.0, 60.0
_Side = Annotated[int, Field(ge=1, le=MOST_SIDE)]
_Grid = Annotated[list[_Side], Field(min_length=1, max_length=2, description="[side], or [rows, columns]")]
_Factor = Annotated[str, StringConstraints(max_length=200)]


class Factors(BaseModel):
    """Factors, and the grid on which they act."""

    model_config = ConfigDict(extra="forbid")

    factors: list[_Factor] = Field(max_length=MOST_FACTORS, description="such as ['rot90', 'hflip x vflip']")
    grid: _Grid


class GeneratorOut(BaseModel):
    """A generator: cell ``i`` of the grid, counted by rows, is moved to ``moves[i]``."""

    name: str
    order: int
    moves: list[int]


class TiedOut(BaseModel):
    """The orbit of each weight from the grid to itself: weight ``x * cells + y``, and how many there are."""

    orbits: list[int]
    count: int


class GroupOut(BaseModel):
    """A group: ``order`` is null if it could not be counted in time; ``orbits`` has the orbit of each cell."""

    name: str
    order: int | None
    at_least: int
    abelian: bool
    structure: str
    redundant: list[str]
    text: str
    grid: list[int]
    generators: list[GeneratorOut]
    orbits: list[int]
    count: int
    tied: TiedOut | None = Field(description="null for grids of more than 100 cells")


class ClassesIn(BaseModel):
    """An alphabet, by its name or its factors, and the grids of a dense child."""

    model_config = ConfigDict(extra="forbid")

    alphabet: _Factor | Annotated[list[_Factor], Field(min_length=1, max_length=MOST_FACTORS)]
    grid: _Grid
    hidden: list[_Grid] | None = Field(
        None, min_length=1, max_length=MOST_GRIDS, description="null: chosen for the alphabet and the grid"
    )


class ClassOut(BaseModel):
    """A class: its state with the fewest factors, how many states it has, and the orbits of each layer."""

    class_key: str
    factors: str
    group: str | None
    states: int
    orbits: list[int]


class ClassesOut(BaseModel):
    """The classes of the states of an alphabet."""

    states: int
    classes: int
    alphabet: list[str]
    grids: list[list[int]]
    notices: list[str]
    items: list[ClassOut]


@router.post("/describe")
def describe_group(given: Factors, _token: AnyToken, service: TheService) -> GroupOut:
    """Describe the group that factors generate on a grid; with the orbits of cells and weights, to be drawn."""
    found = service.helpers.ask(
        "aen_service.computing.groups:describe", given.model_dump(), seconds=_DESCRIBE_SECONDS, remember=True
    )
    return GroupOut(**found)


@router.post("/classes")
def list_group_classes(given: ClassesIn, _token: AnyToken, service: TheService) -> ClassesOut:
    """Return the classes of the states of an alphabet on a child with these grids."""
    found = service.helpers.ask(
        "aen_service.computing.groups:classes", given.model_dump(), seconds=_CLASSES_SECONDS, remember=True
    )
    return ClassesOut(**found)
