"""Errors as ``application/problem+json`` (RFC 9457), with the argument, the value and the remedy in words."""

import logging
import traceback
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from aen._text import printable, shortened
from aen.errors import AenError, did_you_mean
from aen_service.errors import ServiceError, argument_of
from aen_service.routes import RouteTable
from aen_service.secret_text import hide_all, hide_folders
from aen_service.service import Service

_LOG = logging.getLogger("aen_service")
PROBLEM_MEDIA = "application/problem+json"
_UNPROCESSABLE = 422
_MOST = 20  # errors of a request that are listed
_PLACES = {"body", "query", "path", "header", "cookie"}


class Problem(BaseModel):
    """An error (RFC 9457)."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    argument: str | None = None
    value: str | None = None
    errors: list[dict[str, str]] | None = None


def problem(
    status: int,
    title: str,
    detail: str,
    *,
    argument: str | None = None,
    value: object = None,
    errors: Sequence[Mapping[str, str]] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return a response that describes a problem."""
    content: dict[str, Any] = {"type": "about:blank", "title": title, "status": int(status), "detail": _shown(detail)}
    if argument is not None:
        content["argument"] = _shown(shortened(argument))
    if value is not None:
        content["value"] = _shown(shortened(str(value)))
    if len(errors) > 1:
        content["errors"] = [{name: _shown(text) for name, text in error.items()} for error in errors]
    return JSONResponse(content, int(status), headers=dict(headers or {}), media_type=PROBLEM_MEDIA)


def _shown(text: str) -> str:
    return printable(hide_all(text))


def problem_response(error: AenError) -> Response:
    """Return the response to an error of the input."""
    if isinstance(error, ServiceError):
        return problem(
            error.status, error.title, str(error), argument=error.argument, value=error.value, headers=error.headers
        )
    return problem(_UNPROCESSABLE, "invalid request", str(error), argument=argument_of(error))


def add_problem_handlers(app: FastAPI, table: RouteTable) -> None:
    """Have an application answer every error with a problem."""

    @app.exception_handler(AenError)
    async def _of_input(request: Request, error: AenError) -> Response:
        service: Service = request.app.state.service
        # A copy, since an error may be shown elsewhere: to the operator in the log, for instance.
        detail = hide_folders(str(error), service.settings.root)
        if isinstance(error, ServiceError):
            return problem(
                error.status, error.title, detail, argument=error.argument, value=error.value, headers=error.headers
            )
        return problem(_UNPROCESSABLE, "invalid request", detail, argument=argument_of(error))

    @app.exception_handler(RequestValidationError)
    async def _of_form(request: Request, error: RequestValidationError) -> Response:
        found = [_told(one, request) for one in error.errors()[:_MOST]]
        first = found[0] if found else {"argument": "", "detail": "the request cannot be read."}
        return problem(
            _UNPROCESSABLE,
            "invalid request",
            first["detail"],
            argument=first["argument"] or None,
            value=first.get("value"),
            errors=found,
        )

    @app.exception_handler(HTTPException)
    async def _of_http(request: Request, error: HTTPException) -> Response:
        title, headers, detail = HTTPStatus(error.status_code).phrase.lower(), dict(error.headers or {}), error.detail
        path = shortened(request.url.path)
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            allowed = ", ".join(sorted(table.methods_of(request.url.path)))
            headers["Allow"] = allowed
            detail = f"{path} does not take {request.method}; it takes {allowed or 'nothing'}."
        elif error.status_code == HTTPStatus.NOT_FOUND and detail == HTTPStatus.NOT_FOUND.phrase:
            near = did_you_mean(request.url.path, [known for known in table.methods if "{" not in known])
            near = near if "did you mean" in near else ""
            detail = f"there is no {path!r}{near}; GET /api/v1/openapi.json lists all paths."
        return problem(error.status_code, title, str(detail), headers=headers)

    @app.exception_handler(RecursionError)
    async def _of_depth(_request: Request, _error: RecursionError) -> Response:
        return problem(HTTPStatus.BAD_REQUEST, "bad request", "the request's brackets are nested too deeply.")

    @app.exception_handler(Exception)
    async def _of_server(_request: Request, error: Exception) -> Response:
        _LOG.error("%s", hide_all("".join(traceback.format_exception(error))))
        said = "the service failed; its log says why."
        return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "internal error", said)


def _told(error: Mapping[str, Any], request: Request) -> dict[str, str]:
    """Return an argument, its value, and what is wrong with it."""
    parts = list(error["loc"] or ())
    place = str(parts.pop(0)) if parts and parts[0] in _PLACES else "body"
    argument, kind = ".".join(map(str, parts)), error["type"]
    if kind == "json_invalid":
        why = error.get("ctx", {}).get("error", "it is cut off")
        return {"argument": "", "detail": f"the body is not JSON: {why}, at character {parts[0] if parts else 0}."}
    if kind == "missing":
        what = f"the {place} has no {argument}" if argument else f"the request has no {place}"
        json = "; send JSON with Content-Type: application/json" if place == "body" and not argument else ""
        return {"argument": argument, "detail": f"{what}, which is required{json}."}
    if kind == "extra_forbidden":
        near = did_you_mean(str(parts[-1]), _fields(request)) if len(parts) == 1 else ""
        return {"argument": argument, "detail": f"the {place} has the unknown key {argument}{near}."}
    value = shortened(repr(error.get("input")))
    what = argument or f"the {place}"
    message = str(error["msg"]).removeprefix("Value error, ")
    return {"argument": argument, "value": value, "detail": f"{what} is {value}: {message[:1].lower()}{message[1:]}."}


def _fields(request: Request) -> Iterable[str]:
    """Return the keys of the body that a route takes."""
    field = getattr(request.scope.get("route"), "body_field", None)
    model = getattr(getattr(field, "field_info", None), "annotation", None)
    return getattr(model, "model_fields", {})
