"""What a search can be made of: presets, agents, spaces, the schema of configs; and the check of a search."""

import inspect
from functools import lru_cache
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from aen._typing import JsonDict
from aen.data.benchmarks import BENCHMARK_NAMES
from aen.data.sets import SOURCES
from aen.groups import ALPHABETS, GENERATOR_NAMES
from aen_agents.config import SearchConfig
from aen_agents.config.agents import AGENTS
from aen_agents.config.children import CHILDREN
from aen_agents.config.presets import headline, list_presets
from aen_agents.config.search import ALTERNATIVES
from aen_service.access import AnyToken, TheService
from aen_service.datasets.datasets import hidden_paths
from aen_service.errors import NotFoundError
from aen_service.searches.submission import SearchRequest, config_of

router = APIRouter(tags=["what to search"])
_CHECK_SECONDS, _COUNT_SECONDS = 30.0, 300.0
# Keys that clients may not set: see `aen_service.searches.submission`.
_HIDDEN = ("store", "cluster", "evaluator")


class PresetRow(BaseModel):
    """A preset."""

    name: str
    title: str
    agent: str
    data: str
    child: str


class Presets(BaseModel):
    """All presets."""

    total: int
    items: list[PresetRow]


class PresetOut(BaseModel):
    """A preset with its whole config."""

    name: str
    title: str
    config: dict[str, Any]


class AgentRow(BaseModel):
    """An agent: what it is, for which kinds of child (null: all), and the JSON schema of its section."""

    name: str
    title: str
    child_kinds: list[str] | None
    step_by_step: bool
    unused_sections: list[str]
    settings: dict[str, Any]


class Agents(BaseModel):
    """All agents."""

    total: int
    items: list[AgentRow]


class SpaceRow(BaseModel):
    """A kind of child, with the sections that it uses and the JSON schema of its section."""

    kind: str
    title: str
    sections: list[str]
    settings: dict[str, Any]


class Spaces(BaseModel):
    """All kinds of child, and what spaces are made of."""

    total: int
    items: list[SpaceRow]
    alphabets: dict[str, list[str]]
    generators: list[str]
    data: list[str]


class Images(BaseModel):
    """The images of a search: its parts, rows and columns, channels and classes."""

    images: dict[str, int]
    grid: list[int]
    channels: int
    classes: int


class Check(BaseModel):
    """A search that was checked: its whole config, and what it will cost."""

    config: dict[str, Any]
    states: int | None
    classes: int | None = Field(description="networks to choose among; null: not counted yet")
    networks: int | None = Field(description="children that are trained at most: explore and select together")
    explore: int | None
    select: int
    parameters: int | None = Field(description="of the network without symmetry")
    seconds: float | None = Field(description="estimate, of the whole search")
    seconds_per_child: float | None
    seconds_basis: str
    notices: list[str]
    data: Images


@router.get("/presets")
def presets(_token: AnyToken) -> Presets:
    """Return the presets that can be searched by their name."""
    items = _preset_rows()
    return Presets(total=len(items), items=list(items))


@router.get("/presets/{name:path}")
def preset(name: str, _token: AnyToken) -> PresetOut:
    """Return a preset with its whole config."""
    known = list_presets()
    if name not in known:
        raise NotFoundError(f"there is no preset {name[:80]!r}; GET /api/v1/presets lists them.", argument="name")
    return PresetOut(name=name, title=headline(known[name]), config=_preset_config(name))


@router.get("/agents")
def agents(_token: AnyToken) -> Agents:
    """Return the agents."""
    items = [
        AgentRow(
            name=name,
            title=_title(model),
            child_kinds=None if model.child_kinds is None else list(model.child_kinds),
            step_by_step=model.step_by_step,
            unused_sections=list(model.unused_sections),
            settings=model.model_json_schema(),
        )
        for name, model in AGENTS.items()
    ]
    return Agents(total=len(items), items=items)


@router.get("/spaces")
def spaces(_token: AnyToken) -> Spaces:
    """Return the kinds of child, the alphabets, the generators and the data sets that have a name."""
    items = [
        SpaceRow(kind=kind, title=_title(model), sections=list(model.sections), settings=model.model_json_schema())
        for kind, model in CHILDREN.items()
    ]
    return Spaces(
        total=len(items),
        items=items,
        alphabets={name: list(factors) for name, factors in ALPHABETS.items()},
        generators=list(GENERATOR_NAMES),
        data=[*SOURCES, *BENCHMARK_NAMES],
    )


@router.get("/schemas/search")
def search_schema(_token: AnyToken) -> dict[str, Any]:
    """Return the JSON schema of a search's config, without what the service chooses itself.

    A section of several kinds has ``oneOf``, and ``discriminator.propertyName`` is the key that names the kind.
    """
    return _schema()


@router.post("/searches/check")
def check_search(given: SearchRequest, _token: AnyToken, service: TheService) -> Check:
    """Check a search as it would be submitted, and say what it will cost; nothing is trained."""
    dataset = None if given.dataset is None else service.datasets.get(given.dataset)
    if dataset is not None:
        given = given.over(service.datasets.overrides(dataset.id))
    question = {
        "request": given.model_dump(mode="json"),
        "store": str(service.settings.store),
        "dataset": None if dataset is None else service.datasets.place(dataset.id),
        "dataset_name": None if dataset is None else dataset.name,
    }
    with hidden_paths(service, dataset):
        found = service.helpers.ask("aen_service.computing.checking:check", question, seconds=_CHECK_SECONDS)
    if found["classes"] is None:
        counted = {name: question[name] for name in ("request", "dataset")}
        service.helpers.compute("aen_service.computing.checking:count", counted, seconds=_COUNT_SECONDS)
    return Check(**found)


@lru_cache(maxsize=1)
def _preset_rows() -> tuple[PresetRow, ...]:
    rows = []
    for name, path in list_presets().items():
        config = _preset_config(name)
        rows.append(
            PresetRow(
                name=name,
                title=headline(path),
                agent=config["agent"]["name"],
                data=config["data"]["name"],
                child=config["child"]["kind"],
            )
        )
    return tuple(rows)


@lru_cache(maxsize=1)
def _schema() -> JsonDict:
    schema = SearchConfig.model_json_schema()
    for name in _HIDDEN:
        schema["properties"].pop(name, None)
    for name, several in ALTERNATIVES.items():
        if name in schema["properties"]:
            schema["properties"][name]["discriminator"] = {"propertyName": several.key}
    return schema


def _preset_config(name: str) -> JsonDict:
    return config_of(SearchRequest(preset=name)).model_dump(mode="json", exclude={"store", "cluster", "evaluator"})


def _title(model: type[BaseModel]) -> str:
    return (inspect.getdoc(model) or "").split("\n")[0].partition("; see ")[0]
