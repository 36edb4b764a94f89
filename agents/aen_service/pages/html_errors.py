"""Errors for people: what is wrong as a page, and the log-in page where a token is missing."""

import json
from http import HTTPStatus
from urllib.parse import quote

from fastapi import Request
from starlette.datastructures import Headers
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aen_service.pages.html import address_of, page

_PROBLEM = b"application/problem+json"


class HtmlErrors:
    """Shows problems as pages to browsers, everywhere but below ``/api/``.

    Args:
        app: what answers requests.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if (
            scope["type"] != "http"
            or scope["path"].startswith("/api/")
            or "text/html" not in Headers(scope=scope).get("accept", "")
        ):
            await self._app(scope, receive, send)
            return
        start: Message | None = None
        body = b""

        async def check(message: Message) -> None:
            nonlocal start, body
            if message["type"] == "http.response.start" and _PROBLEM in dict(message["headers"]).get(
                b"content-type", b""
            ):
                start = message
            elif start is None:
                await send(message)
            else:
                body += message.get("body", b"")
                if not message.get("more_body"):
                    await _error_page(Request(scope), start["status"], body)(scope, receive, send)

        await self._app(scope, receive, check)


def _error_page(request: Request, status: int, body: bytes) -> Response:
    if status == HTTPStatus.UNAUTHORIZED:
        if request.url.path == "/":
            return RedirectResponse("/login", HTTPStatus.SEE_OTHER)
        wanted = address_of(request) if request.method in {"GET", "HEAD"} else "/searches"
        return RedirectResponse(f"/login?next={quote(wanted, safe='')}", HTTPStatus.SEE_OTHER)
    try:
        problem = json.loads(body)
    except ValueError:
        problem = {}
    title = HTTPStatus(status).phrase if problem.get("title", "bad request") == "bad request" else problem["title"]
    values = {"status": status, "title": title, "detail": problem.get("detail", "")}
    return page(request, "error.html", values, status=status)
