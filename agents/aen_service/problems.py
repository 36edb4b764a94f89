"""Errors as ``application/problem+json`` (RFC 9457), with the argument, the value and the remedy in words."""

import logging
import traceback
from collections.abc import Mapping
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from aen._secrets import hide_secrets
from aen._text import printable, shortened
from aen.errors import AenError
from aen_service.errors import ServiceError, argument_of

_LOG = logging.getLogger("aen_service")
_MEDIA = "application/problem+json"
_UNPROCESSABLE = 422


def problem(
    status: int, title: str, detail: str, *, argument: str | None = None, headers: Mapping[str, str] | None = None
) -> Response:
    """Return a response that describes a problem."""
    content = {"type": "about:blank", "title": title, "status": status, "detail": printable(hide_secrets(detail))}
    if argument is not None:
        content["argument"] = printable(argument)
    return JSONResponse(content, status, headers=dict(headers or {}), media_type=_MEDIA)


def problem_response(error: AenError) -> Response:
    """Return the response to an error of the input."""
    if isinstance(error, ServiceError):
        return problem(error.status, error.title, str(error), argument=error.argument, headers=error.headers)
    return problem(_UNPROCESSABLE, "invalid request", str(error), argument=argument_of(error))


def add_problem_handlers(app: FastAPI) -> None:
    """Have an application answer every error with a problem."""

    @app.exception_handler(AenError)
    async def _of_input(_request: Request, error: AenError) -> Response:
        return problem_response(error)

    @app.exception_handler(RequestValidationError)
    async def _of_form(_request: Request, error: RequestValidationError) -> Response:
        found = error.errors()
        first = found[0] if found else {"loc": (), "msg": "it cannot be read", "input": None}
        argument = ".".join(str(part) for part in first["loc"] or () if part not in {"body", "query", "path"})
        value = shortened(repr(first.get("input")))
        said = f"{argument or 'the request'} is {value}: {first['msg']}"
        return problem(_UNPROCESSABLE, "invalid request", said, argument=argument or None)

    @app.exception_handler(HTTPException)
    async def _of_http(_request: Request, error: HTTPException) -> Response:
        title = HTTPStatus(error.status_code).phrase.lower()
        return problem(error.status_code, title, str(error.detail), headers=error.headers)

    @app.exception_handler(RecursionError)
    async def _of_depth(_request: Request, _error: RecursionError) -> Response:
        return problem(HTTPStatus.BAD_REQUEST, "bad request", "the request's brackets are nested too deeply.")

    @app.exception_handler(Exception)
    async def _of_server(_request: Request, error: Exception) -> Response:
        _LOG.error("%s", hide_secrets("".join(traceback.format_exception(error))))
        said = "the service failed; its log says why."
        return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "internal error", said)
