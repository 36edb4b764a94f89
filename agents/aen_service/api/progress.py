"""How a search goes: its curve, lattice, agent, workers, failures and log."""

import json
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict

from aen._secrets import hide_secrets
from aen._typing import JsonDict
from aen_service.access import AnyToken, OperatorToken, TheService
from aen_service.api.paging import Page, Size, finite
from aen_service.reading.log import event_of, seconds_of
from aen_service.reading.run import Curve, RunReader, thinned

router = APIRouter(prefix="/searches/{search}", tags=["progress"])


class CurveOut(BaseModel):
    """The learning curve: an entry for each new child, the extremes of each part where there are more than asked for.

    ``epsilon`` and ``loss`` are those of a DQN; null: not known.
    """

    children: list[int]
    accuracy: list[float | None]
    best: list[float | None]
    epsilon: list[float | None]
    loss: list[float | None]


class NodeOut(BaseModel):
    """A class of the space, at its place in a drawing: ``x`` from the left and ``y`` from the top, 0 to 1."""

    class_key: str
    x: float
    y: float
    name: str
    group: str
    accuracy: float | None
    parameters: int | None
    role: str


class LatticeOut(BaseModel):
    """The classes of a space by inclusion; an edge is a pair of places in ``nodes``, the less tied one first.

    Empty where the space has no such order, has too many classes, or is not known yet.
    """

    nodes: list[NodeOut]
    edges: list[tuple[int, int]]


class AgentOut(BaseModel):
    """What the agent knew lately. For a DQN: the state in which it chose an action, and the Q-values of that state.

    ``explored``: whether another action than that of the highest Q-value was chosen. ``slices``: of a layer-wise
    method, the children of its last slices, with ``alphas`` and ``shares`` of mixed layers in their ``record``.
    """

    agent: str
    epsilon: float | None = None
    loss: float | None = None
    steps: int | None = None
    state: list[float] | None = None
    factors: list[str] = []
    q_values: list[float] | None = None
    action: int | None = None
    explored: bool | None = None
    time: float | None = None
    slices: list[JsonDict] = []


class WorkerOut(BaseModel):
    """A worker: ``idle``, ``training``, or ``lost``; what it trains, and since when."""

    worker: str
    node: str | None
    state: str
    training: str | None
    children: int
    since: float | None
    trained: int | None


class WorkersOut(BaseModel):
    """The workers of a search."""

    total: int
    items: list[WorkerOut]


class FailureOut(BaseModel):
    """A child that failed, or was tried again after a fault; ``detail`` is a traceback or a description."""

    key: str
    factors: str
    worker: str | None
    kind: str
    final: bool
    detail: str
    time: float | None


class FailurePage(BaseModel):
    """A page of failures, the last ones first."""

    total: int
    page: int
    size: int
    items: list[FailureOut]


class LogLine(BaseModel):
    """A line of the log: its number, and the fields of its event."""

    model_config = ConfigDict(extra="allow")

    id: int
    event: str


class LogOut(BaseModel):
    """Lines of the log; ``next`` is the number to ask for after them."""

    items: list[LogLine]
    next: int


@router.get("/curve")
def curve(
    search: str, _token: AnyToken, service: TheService, points: Annotated[int, Query(ge=4, le=5000)] = 500
) -> CurveOut:
    """Return the learning curve, at most so many points of it."""
    return curve_out(service.readers.of(service.searches.get(search)).curve(), points)


def curve_out(found: Curve, points: int) -> CurveOut:
    """Return a curve for a client, at most so many points of it."""
    places = thinned(found.accuracy, points)
    return CurveOut(
        children=found.children[places].tolist(),
        **{
            name: [finite(value) for value in getattr(found, name)[places].tolist()]
            for name in ("accuracy", "best", "epsilon", "loss")
        },
    )


@router.get("/lattice")
def lattice(search: str, _token: AnyToken, service: TheService) -> LatticeOut:
    """Return the classes of the space by inclusion, with what is known of each."""
    reader = service.readers.of(service.searches.get(search))
    found = reader.lattice()
    if found is None:
        return LatticeOut(nodes=[], edges=[])
    table, roles = reader.table(), reader.roles()
    known = {key: place for place, key in enumerate(table.by_class.keys)}
    nodes = []
    for place, key in enumerate(found.keys):
        at = known.get(key)
        nodes.append(
            NodeOut(
                class_key=key,
                x=found.places.x[place],
                y=found.places.y[place],
                name=found.names[place],
                group=table.group_of_class(key),
                accuracy=None if at is None else finite(float(table.by_class.accuracy[at])),
                parameters=None if at is None else int(table.by_class.parameters[at]) or None,
                role=roles.get(key, ""),
            )
        )
    return LatticeOut(nodes=nodes, edges=list(found.edges))


@router.get("/agent")
def agent(search: str, _token: AnyToken, service: TheService) -> AgentOut:
    """Return the agent from inside, as its search logged it last."""
    record = service.searches.get(search)
    reader = service.readers.of(record)
    log = reader.log
    known = log.agent
    out = AgentOut(agent=record.agent, slices=_slices(reader))
    if known is None:
        return out
    return out.model_copy(
        update={
            "epsilon": known.get("epsilon"),
            "loss": known.get("loss"),
            "steps": known.get("step"),
            "state": known.get("state"),
            "factors": [name.removeprefix("toggle ") for name in log.actions],
            "q_values": known.get("q_values"),
            "action": known.get("action"),
            "explored": known.get("explored"),
            "time": seconds_of(known),
        }
    )


def _slices(reader: RunReader) -> list[JsonDict]:
    """Return the children of the last slice of each method's run."""
    last: dict[tuple[Any, Any], int] = {}
    slices = reader.history.slices
    for line in slices:
        last[line["method"], line["seed"]] = line["slice"]
    return [line for line in slices if last[line["method"], line["seed"]] == line["slice"]][-100:]


@router.get("/workers")
def workers(search: str, _token: AnyToken, service: TheService) -> WorkersOut:
    """Return the workers, and what each is training; it may be a second old."""
    record = service.searches.get(search)
    reader = service.readers.of(record)
    status, logged = reader.status(), reader.log.workers
    going = record.state in ("running", "stopping")
    found: dict[str, WorkerOut] = {}
    for worker in status.in_training if status is not None and going else ():
        known = logged.get(worker.worker)
        found[worker.worker] = WorkerOut(
            worker=worker.worker,
            node=worker.node or (status and status.host),
            state="idle" if worker.training is None else "training",
            training=worker.training,
            children=worker.children,
            since=worker.since,
            trained=None if known is None else known.trained,
        )
    for name, known in list(logged.items()):
        if name not in found and (known.state == "lost" or going):
            found[name] = WorkerOut(
                worker=name,
                node=known.node or None,
                state="lost" if known.state == "lost" else "idle",
                training=None,
                children=0,
                since=known.since,
                trained=known.trained,
            )
    return WorkersOut(total=len(found), items=list(found.values()))


@router.get("/failures")
def failures(search: str, _token: OperatorToken, service: TheService, page: Page = 1, size: Size = 50) -> FailurePage:
    """Return the children that failed or were tried again, with their tracebacks; operators only."""
    reader = service.readers.of(service.searches.get(search))
    table, logged = reader.table(), list(reader.log.failures)
    final = [line for line in logged if line["what"] == "failed"]
    named = {line["key"] for line in final}
    failed = [table.keys[place] for place in table.where(status="failed", name=None).nonzero()[0].tolist()]
    rows: list[JsonDict] = [*logged, *({"key": key, "what": "failed"} for key in failed if key not in named)]
    rows.reverse()
    shown = rows[(page - 1) * size : page * size]
    records = reader.fetch("record", [row["key"] for row in shown if row["what"] == "failed"])
    factors = {table.keys[place]: table.text("factors", place) for place in _places(table.keys, shown)}
    items = [_failure(row, records.get(row["key"]), factors.get(row["key"], "")) for row in shown]
    return FailurePage(total=len(rows), page=page, size=size, items=items)


def _places(keys: Any, rows: list[JsonDict]) -> list[int]:  # noqa: ANN401
    wanted = {row["key"] for row in rows}
    return [place for place, key in enumerate(keys) if key in wanted] if wanted else []


def _failure(row: JsonDict, record: object, factors: str) -> FailureOut:
    known: JsonDict = {}
    if isinstance(record, str):
        content = json.loads(record)
        failure = content.get("failure") if isinstance(content, dict) else None
        known = failure if isinstance(failure, dict) else {}
    detail = str(known.get("traceback") or row.get("detail") or "")
    kind = known.get("kind") or (row.get("status") if row.get("status") != "failed" else None) or "error"
    return FailureOut(
        key=row["key"],
        factors=factors,
        worker=row.get("worker"),
        kind=str(kind),
        final=row["what"] == "failed",
        detail=hide_secrets(detail),
        time=seconds_of(row),
    )


@router.get("/log")
def log(
    search: str,
    _token: AnyToken,
    service: TheService,
    after: Annotated[int | None, Query(ge=0, le=10**12)] = None,
    size: Annotated[int, Query(ge=1, le=1000)] = 200,
) -> LogOut:
    """Return lines of the log after a line number; without one, the last lines."""
    reader = service.readers.of(service.searches.get(search))
    start = max(reader.log.count - size, 0) if after is None else after
    items, last = [], start
    for number, text in reader.log_lines(start, size):
        last = number
        try:
            line = json.loads(text, parse_constant=lambda _: None)
            items.append(LogLine(**(line | {"id": number, "event": event_of(text).decode()})))
        except (ValueError, TypeError, RecursionError):
            continue  # damaged
    return LogOut(items=items, next=last)
