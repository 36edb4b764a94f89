"""The addresses of the page, and what each shows."""

import asyncio
import re
from typing import Annotated
from urllib.parse import quote, urlencode

import sqlalchemy as sa
from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse, Response
from starlette.status import HTTP_303_SEE_OTHER

from aen._typing import JsonDict
from aen_service.access import AnyToken, TheService
from aen_service.database import SEARCHES
from aen_service.errors import NotFoundError, ServiceError
from aen_service.pages.asking import Answer, ask, ask_patiently
from aen_service.pages.html import page
from aen_service.pages.static_files import serve_static
from aen_service.searches.records import ACTIVE, ENDED, STATES
from aen_service.service import Service

router = APIRouter(include_in_schema=False)
ROWS = 50
# Parts of the page of a search, and whether only operators see them.
VIEWS = {
    "overview": "Overview",
    "classes": "Classes",
    "children": "Children",
    "agent": "Agent",
    "workers": "Workers",
    "log": "Log",
    "failures": "Failures",
    "files": "Files",
}
FEWEST_COMPARED, MOST_COMPARED = 2, 8
Page = Annotated[int, Query(ge=1, le=1_000_000)]


@router.get("/static/{digest}/{name:path}")
async def static(request: Request, digest: str, name: str) -> Response:
    """A file of the page."""
    return serve_static(request, digest, name)


@router.get("/")
async def home(_token: AnyToken) -> Response:
    """The list of searches."""
    return RedirectResponse("/searches", HTTP_303_SEE_OTHER)


@router.get("/login")
async def login(
    request: Request,
    next: str = "/searches",  # noqa: A002 - the parameter's name
    *,
    session: bool = False,
) -> Response:
    """The page on which a token is typed; with ``session`` who is logged in is led on.

    A browser does not send the cookie with a link of another site, such as a chat: the page then asks again by itself.
    """
    if session and request.state.token is not None:
        return RedirectResponse(local_path(next), HTTP_303_SEE_OTHER)
    return page(request, "login.html", {"next": local_path(next)})


@router.get("/searches")
async def searches(
    request: Request,
    _token: AnyToken,
    service: TheService,
    *,
    page_number: Annotated[int, Query(alias="page", ge=1, le=1_000_000)] = 1,
    sort: str = "-created",
    state: str = "",
    name: Annotated[str, Query(max_length=100)] = "",
) -> Response:
    """The table of searches."""
    query: dict[str, str | int | list[str] | None] = {"page": page_number, "size": ROWS, "sort": sort, "name": name}
    query["state"] = list(ACTIVE) if state == "active" else state or None
    answer, counts = await asyncio.gather(ask(request, "/searches", query), asyncio.to_thread(count_states, service))
    _checked(answer)
    shown = {"query": {"sort": sort, "state": state, "name": name}, "list": answer.found, "counts": counts}
    return page(request, "searches.html", shown | {"states": STATES})


@router.get("/searches/{search}")
async def one_search(request: Request, search: str, token: AnyToken, *, view: str = "overview") -> Response:
    """A search: one of its views."""
    if view not in VIEWS:
        raise NotFoundError(f"there is no view {view[:40]!r} of a search.", argument="view")
    path = f"/searches/{quote(search, safe='')}"
    part, query = _asked(request, view)
    shown, summary, answer = await asyncio.gather(
        ask(request, path), ask_patiently(request, f"{path}/summary"), ask_patiently(request, f"{path}{part}", query)
    )
    found = _checked(shown)
    views = {key: title for key, title in VIEWS.items() if key != "failures" or token.may_change}
    more = {
        "view": view,
        "views": views,
        "search": found,
        "summary": summary and summary.found,
        "pending": answer is None,
        "answer": answer,
        "classes": answer.found if answer is not None and view == "overview" else None,
    }
    return page(request, "search.html", more | {"ended": found["state"] in ENDED, "query": dict(request.query_params)})


def _asked(request: Request, view: str) -> tuple[str, dict[str, str | int | None]]:
    """Return what a view asks for: a path below the search, with parameters."""
    given = request.query_params
    paged: dict[str, str | int | None] = {"page": given.get("page"), "size": ROWS, "sort": given.get("sort")}
    match view:
        case "overview":
            return "/classes", {"size": 5, "sort": "-accuracy"}
        case "classes":
            return "/classes", paged | {"sort": given.get("sort", "-accuracy")}
        case "children":
            return "/children", paged | {"status": given.get("status"), "name": given.get("name")}
        case "log":
            return "/log", {"after": given.get("after"), "size": 200}
        case _:
            return f"/{view}", paged if view == "failures" else {}


@router.get("/compare")
async def compare(request: Request, _token: AnyToken, search: Annotated[list[str] | None, Query()] = None) -> Response:
    """Two to eight searches side by side."""
    chosen = list(dict.fromkeys(search or []))
    values: JsonDict = {"chosen": chosen, "compared": None, "problem": None}
    if FEWEST_COMPARED <= len(chosen) <= MOST_COMPARED:
        answer = await ask(request, "/compare", {"search": chosen})
        values |= {"compared": answer.found, "problem": None if answer.ok else answer.detail}
    elif chosen:
        values["problem"] = f"{len(chosen)} searches are chosen; choose {FEWEST_COMPARED} to {MOST_COMPARED}."
    if values["compared"] is None:
        offered = await ask(request, "/searches", {"size": 100, "sort": "-created"})
        values["offered"] = (offered.found or {}).get("items", [])
    return page(request, "compare.html", values)


@router.get("/datasets")
async def datasets(
    request: Request, _token: AnyToken, *, page_number: Annotated[int, Query(alias="page", ge=1)] = 1
) -> Response:
    """The uploaded data sets."""
    answer = await ask(request, "/datasets", {"page": page_number, "size": ROWS})
    return page(request, "datasets.html", {"list": answer.found, "problem": request.query_params.get("problem")})


@router.get("/datasets/{dataset}")
async def dataset(request: Request, dataset: str, _token: AnyToken) -> Response:
    """A data set: samples, classes, balance."""
    found = _checked(await ask(request, f"/datasets/{quote(dataset, safe='')}"))
    return page(request, "dataset.html", {"data": found})


def count_states(service: Service) -> dict[str, int]:
    """Return how many searches are in each state."""
    query = sa.select(SEARCHES.c.state, sa.func.count()).group_by(SEARCHES.c.state)
    counts = {row[0]: int(row[1]) for row in service.database.rows(query)}
    return counts | {"all": sum(counts.values()), "active": sum(counts.get(state, 0) for state in ACTIVE)}


def local_path(given: str) -> str:
    """Return a path of this server; an address of another one becomes the list of searches."""
    return given if re.fullmatch(r"/(?![/\\])[^\x00-\x20\\]*", given) else "/searches"


class AnswerError(ServiceError):
    """An error that the interface answered."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.detail, status=answer.status)


def _checked(answer: Answer) -> JsonDict:
    if answer.found is None:
        raise AnswerError(answer)
    return answer.found


def with_query(path: str, **values: str) -> str:
    """Return an address with a query."""
    return f"{path}?{urlencode(values)}"
