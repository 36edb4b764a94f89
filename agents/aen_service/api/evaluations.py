"""Evaluations: specs of children in, their evaluations out; `aen_service.RemoteEvaluator` speaks this."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response, status
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from aen._typing import JsonDict
from aen.children.spec import ChildSpec
from aen_service.access import AnyToken, OperatorToken, TheService
from aen_service.api.sending import send_file
from aen_service.rewards.batches import Batch
from aen_service.rewards.specs import prepare_escnn, read_spec, versions
from aen_service.service import Service

router = APIRouter(prefix="/evaluations", tags=["evaluations"])
MOST_ITEMS = 500
_LONGEST_WAIT = 30.0
_KEY = "^[0-9a-f]{24}$"
_FILE: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}
}

Key = Annotated[str, Path(pattern=_KEY, min_length=24, max_length=24, description="`spec.key`")]


class Item(BaseModel):
    """A child to be evaluated: its spec (`ChildSpec.to_json`), and the key that the client computed for it."""

    model_config = ConfigDict(extra="forbid")

    key: str = Field(pattern=_KEY, description="`spec.key`")
    spec: dict[str, Any] = Field(description="`spec.to_json()`")
    dataset: str | None = Field(None, max_length=64, description="identifier of the uploaded data set of its images")
    keep_weights: bool = Field(False, description="keep the weights, which GET .../weights/{key} then returns")


class Items(BaseModel):
    """Children to be evaluated."""

    model_config = ConfigDict(extra="forbid")

    items: list[Item] = Field(min_length=1, max_length=MOST_ITEMS)
    versions: dict[str, Any] = Field(default_factory=dict, description="the client's versions, as GET returns ours")


class Keys(BaseModel):
    """Keys of children that are not wanted any more."""

    model_config = ConfigDict(extra="forbid")

    keys: list[Annotated[str, Field(pattern=_KEY)]] = Field(max_length=10_000)


class Capabilities(BaseModel):
    """What the reward service can do."""

    workers: int
    capacity: int = Field(description="children that a client should have in flight so that no worker waits")
    running: int
    waiting: int
    trained: int
    failed: int
    items: int = Field(description="children of one request")
    bytes: int = Field(description="bytes of one request")
    in_flight: int = Field(description="children of one token")
    versions: dict[str, Any]


class BatchOut(BaseModel):
    """A batch: how many children are unfinished, and the number of the last result."""

    id: str
    unfinished: int
    last: int
    capacity: int


class Result(BaseModel):
    """A child's evaluation, or why there is none."""

    key: str
    evaluation: dict[str, Any] | None = None
    error: str | None = None


class Results(BaseModel):
    """Results in order, up to the number `last`; asking for those after it confirms them."""

    items: list[Result]
    last: int
    unfinished: int
    capacity: int
    workers: int


@router.get("")
def capabilities(_token: AnyToken, service: TheService) -> Capabilities:
    """Return what the reward service can do, and how busy it is."""
    rewards, limits = service.rewards, service.settings.limits
    return Capabilities(
        **vars(rewards.activity()),
        capacity=rewards.capacity,
        items=MOST_ITEMS,
        bytes=limits.body_bytes,
        in_flight=limits.evaluations,
        versions=versions(),
    )


@router.post("", status_code=status.HTTP_201_CREATED)
def open_batch(given: Items, token: OperatorToken, service: TheService, response: Response) -> BatchOut:
    """Have children evaluated; those of a second request with the same key are trained once."""
    specs = _specs(given, service)
    batch = service.rewards.open(token)
    try:
        service.rewards.add(batch, specs)
    except BaseException:
        service.rewards.cancel(batch)
        raise
    response.headers["Location"] = f"/api/v1{router.prefix}/{batch.id}"
    return _out(batch, service)


@router.post("/{batch}")
def add_to_batch(batch: str, given: Items, token: OperatorToken, service: TheService) -> BatchOut:
    """Add children to a batch."""
    found = service.rewards.batch(batch, token)
    service.rewards.add(found, _specs(given, service))
    return _out(found, service)


@router.get("/weights/{key}", response_class=Response, responses=_FILE)
def get_weights(key: Key, _token: AnyToken, service: TheService) -> Response:
    """Return the weights of a child, a safetensors file with its checksum; of one evaluated with `keep_weights`."""
    number, file = service.rewards.weights.read(key)
    return send_file(number, file, run="weights", asked=None, known=None, headers={}, inline=False)


@router.get("/{batch}", response_model=Results)
async def read_results(
    batch: str,
    token: AnyToken,
    service: TheService,
    after: Annotated[int, Query(ge=0, le=2**53, description="the number of the last result that was read")] = 0,
    wait: Annotated[float, Query(ge=0, le=_LONGEST_WAIT, description="seconds to wait for a result")] = 0.0,
) -> Response:
    """Return the results after a number; without one, wait until there is one."""
    found = service.rewards.batch(batch, token)
    items, last = await service.rewards.results(found, after, wait)
    content: JsonDict = {
        "items": items,
        "last": last,
        "unfinished": len(found.names),
        "capacity": service.rewards.capacity,
        "workers": service.rewards.workers,
    }
    return JSONResponse(content)


@router.post("/{batch}/cancel")
def cancel_children(batch: str, given: Keys, token: OperatorToken, service: TheService) -> BatchOut:
    """Forget children of a batch. Those that a worker has are finished, for the store."""
    found = service.rewards.batch(batch, token)
    service.rewards.cancel(found, given.keys)
    return _out(found, service)


@router.delete("/{batch}", status_code=status.HTTP_204_NO_CONTENT)
def close_batch(batch: str, token: OperatorToken, service: TheService) -> None:
    """Close a batch and forget its children."""
    service.rewards.cancel(service.rewards.batch(batch, token))


def _out(batch: Batch, service: Service) -> BatchOut:
    return BatchOut(id=batch.id, unfinished=len(batch.names), last=batch.last, capacity=service.rewards.capacity)


def _specs(given: Items, service: Service) -> list[tuple[str, ChildSpec, bool]]:
    limits = service.settings.limits
    prepare_escnn((item.spec for item in given.items), service.helpers)
    places = {item.dataset: service.datasets.place(item.dataset) for item in given.items if item.dataset is not None}
    return [
        (
            item.key,
            read_spec(
                place,
                item.key,
                item.spec,
                given.versions,
                limits,
                dataset=None if item.dataset is None else places[item.dataset],
            ),
            item.keep_weights,
        )
        for place, item in enumerate(given.items)
    ]
