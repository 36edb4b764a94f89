"""Searches: submit, list, look at, stop, resume, clone and delete."""

from typing import Annotated

import sqlalchemy as sa
from fastapi import APIRouter, Header, Query, Request, Response, status
from pydantic import BaseModel, ConfigDict, Field

from aen._typing import JsonDict
from aen_service.access import AnyToken, OperatorToken, TheService
from aen_service.database import SEARCHES
from aen_service.reading.shown import shown_view
from aen_service.searches.changes import CloneRequest, clone, delete, move, resume, stop
from aen_service.searches.records import SearchRecord, State
from aen_service.searches.submission import SearchRequest
from aen_service.searches.submitting import submit
from aen_service.secret_text import hide_folders
from aen_service.service import Service

router = APIRouter(prefix="/searches", tags=["searches"])
_SORTED_BY = ("created", "updated", "started", "ended", "name", "agent", "data", "state", "accuracy", "children")


class SearchOut(BaseModel):
    """A search. ``view`` is the state of its run as `aen status --json` shows it."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    name: str
    agent: str
    data: str
    state: State
    message: str | None
    created: float
    started: float | None
    ended: float | None
    updated: float
    accuracy: float | None
    children: int
    starts: int
    position: int | None = None
    view: JsonDict | None = None


class Place(BaseModel):
    """A place in the queue."""

    model_config = ConfigDict(extra="forbid")

    position: int = Field(ge=1, le=1_000_000, description="from 1, the next search that is started")


class SearchPage(BaseModel):
    """A page of the list of searches."""

    total: int
    page: int
    size: int
    items: list[SearchOut]


def search_out(service: Service, record: SearchRecord) -> SearchOut:
    """Return a search for a client, with its place in the queue from 1."""
    return shown_search(service, record, service.searches.queue() if record.state == "queued" else [])


def shown_search(service: Service, record: SearchRecord, queue: list[str]) -> SearchOut:
    """Return a search for a client, without what it may not know of the server; `queue`: all that wait, in order."""
    found, root = SearchOut.model_validate(record), service.settings.root
    found.view = shown_view(found.view, root)
    found.message = None if found.message is None else hide_folders(found.message, root)
    found.position = queue.index(record.id) + 1 if record.id in queue else None
    return found


@router.post("", status_code=status.HTTP_201_CREATED)
def submit_search(
    given: SearchRequest,
    token: OperatorToken,
    service: TheService,
    *,
    request: Request,
    response: Response,
    idempotency_key: Annotated[str | None, Header(max_length=200)] = None,
) -> SearchOut:
    """Submit a search. A second request with the same header ``Idempotency-Key`` returns the first one's search."""
    record, new = submit(service, token, given, idempotency_key)
    if not new:
        response.status_code = status.HTTP_200_OK
    response.headers["Location"] = request.url_for("get_search", search=record.id).path
    return search_out(service, record)


@router.get("")
def list_searches(
    _token: AnyToken,
    service: TheService,
    *,
    page: Annotated[int, Query(ge=1, le=1_000_000)] = 1,
    size: Annotated[int, Query(ge=1, le=200)] = 50,
    sort: Annotated[str, Query(pattern=rf"^-?({'|'.join(_SORTED_BY)})$")] = "-created",
    state: Annotated[list[State] | None, Query()] = None,
    name: Annotated[str | None, Query(max_length=100)] = None,
) -> SearchPage:
    """Return a page of searches, sorted and filtered: ``sort=-accuracy&state=complete&name=digits``."""
    conditions: list[sa.ColumnElement[bool]] = [] if state is None else [SEARCHES.c.state.in_(state)]
    if name:
        conditions.append(SEARCHES.c.name.icontains(name, autoescape=True))
    column = SEARCHES.c[sort.removeprefix("-")]
    order = (column.desc() if sort.startswith("-") else column.asc()).nulls_last()
    query = sa.select(SEARCHES.c.id).where(*conditions).order_by(order, SEARCHES.c.id)
    total = service.database.rows(sa.select(sa.func.count()).select_from(SEARCHES).where(*conditions))[0][0]
    found = [row.id for row in service.database.rows(query.limit(size).offset((page - 1) * size))]
    records = {record.id: record for record in service.searches.where(SEARCHES.c.id.in_(found))}
    queue = service.searches.queue() if any(record.state == "queued" for record in records.values()) else []
    items = [shown_search(service, records[search], queue) for search in found if search in records]
    return SearchPage(total=total, page=page, size=size, items=items)


@router.get("/{search}")
def get_search(search: str, _token: AnyToken, service: TheService) -> SearchOut:
    """Return a search."""
    return search_out(service, service.searches.get(search))


@router.post("/{search}/stop")
def stop_search(search: str, _token: OperatorToken, service: TheService) -> SearchOut:
    """Stop a search as Ctrl-C does: all results are kept, and it can be resumed."""
    return search_out(service, stop(service, search))


@router.post("/{search}/resume")
def resume_search(search: str, token: OperatorToken, service: TheService) -> SearchOut:
    """Resume a search that was stopped, failed or was lost."""
    return search_out(service, resume(service, token, search))


@router.post("/{search}/move")
def move_search(search: str, given: Place, _token: OperatorToken, service: TheService) -> SearchOut:
    """Give a search that waits another place in the queue."""
    return search_out(service, move(service, search, given.position))


@router.post("/{search}/clone", status_code=status.HTTP_201_CREATED)
def clone_search(
    search: str,
    given: CloneRequest,
    token: OperatorToken,
    service: TheService,
    *,
    request: Request,
    response: Response,
) -> SearchOut:
    """Submit a search like this one, with changes."""
    record = clone(service, token, search, given)
    response.headers["Location"] = request.url_for("get_search", search=record.id).path
    return search_out(service, record)


@router.delete("/{search}", status_code=status.HTTP_204_NO_CONTENT)
def delete_search(search: str, _token: OperatorToken, service: TheService) -> None:
    """Delete a search that has ended, and its files. What it trained stays in the store that all searches share."""
    delete(service, search)
