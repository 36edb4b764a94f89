"""Forms of the page: each asks the HTTP interface, and shows where its answer leads."""

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response
from starlette.status import HTTP_303_SEE_OTHER

from aen_service.access import OperatorToken, check_same_site
from aen_service.errors import NotFoundError
from aen_service.pages.asking import Answer, ask
from aen_service.pages.html import page
from aen_service.pages.router import AnswerError, local_path, with_query

router = APIRouter(include_in_schema=False)
_ACTIONS = ("stop", "resume")


@router.post("/login")
async def log_in(
    request: Request,
    token: Annotated[str, Form(max_length=200)] = "",
    next: Annotated[str, Form(max_length=2000)] = "/searches",  # noqa: A002 - the field's name
) -> Response:
    """Begin a session."""
    check_same_site(request.method, request.headers)
    path = local_path(next)
    answer = await ask(request, "/session", method="POST", body={"token": token})
    if not answer.ok:
        return page(request, "login.html", {"next": path, "problem": answer.detail}, status=answer.status)
    return _moved(path, answer)


@router.post("/logout")
async def log_out(request: Request) -> Response:
    """End the session."""
    return _moved("/login", await ask(request, "/session", method="DELETE"))


@router.post("/searches/{search}/delete")
async def delete_search(request: Request, search: str, _token: OperatorToken) -> Response:
    """Delete a search and its files."""
    answer = await ask(request, f"/searches/{quote(search, safe='')}", method="DELETE")
    return _moved("/searches", answer)


@router.post("/searches/{search}/exports")
async def export(
    request: Request,
    search: str,
    _token: OperatorToken,
    format: Annotated[str, Form(max_length=20)] = "",  # noqa: A002
) -> Response:
    """Export the winner's network."""
    path = f"/searches/{quote(search, safe='')}"
    answer = await ask(request, f"{path}/exports", method="POST", body={"format": format})
    return _moved(f"{path}?view=files", answer)


@router.post("/searches/{search}/{action}")
async def act(request: Request, search: str, action: str, _token: OperatorToken) -> Response:
    """Stop or resume a search."""
    if action not in _ACTIONS:
        raise NotFoundError("there is no such action.")
    path = f"/searches/{quote(search, safe='')}"
    return _moved(path, await ask(request, f"{path}/{action}", method="POST"))


@router.post("/datasets")
async def upload(request: Request, _token: OperatorToken) -> Response:
    """Upload a data set: the form is passed on as it arrives."""
    answer = await ask(request, "/datasets", method="POST", forward=True)
    if not answer.ok:
        return RedirectResponse(with_query("/datasets", problem=answer.detail), HTTP_303_SEE_OTHER)
    return _moved(f"/datasets/{quote(str((answer.found or {}).get('id', '')), safe='')}", answer)


@router.post("/datasets/{dataset}/delete")
async def delete_dataset(request: Request, dataset: str, _token: OperatorToken) -> Response:
    """Delete a data set."""
    return _moved("/datasets", await ask(request, f"/datasets/{quote(dataset, safe='')}", method="DELETE"))


def _moved(path: str, answer: Answer) -> Response:
    """Lead to a page, with the cookies that the answer sets."""
    if not answer.ok:
        raise AnswerError(answer)
    response = RedirectResponse(path, HTTP_303_SEE_OTHER)
    for cookie in answer.cookies:
        response.raw_headers.append((b"set-cookie", cookie))
    return response
