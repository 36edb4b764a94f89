"""Questions of the page to the HTTP interface, answered in this process: the page shows what every client gets."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from fastapi import Request
from starlette.exceptions import HTTPException
from starlette.types import Message

from aen._typing import JsonDict

PREFIX = "/api/v1"
_OF_ONE_REQUEST = ("endpoint", "route", "path_params", "router", "fastapi_inner_astack", "fastapi_function_astack")
_PATIENCE_SECONDS = 0.25
_RUNNING: "set[asyncio.Task[Answer]]" = set()
Query = Mapping[str, str | int | Sequence[str] | None]


@dataclass(frozen=True)
class Answer:
    """An answer of the interface.

    Attributes:
        status: the HTTP status.
        content: the JSON value, or None if there is none.
        cookies: the values of the headers ``Set-Cookie``.
    """

    status: int
    content: Any = None
    cookies: tuple[bytes, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether it is no error."""
        return self.status < 400  # noqa: PLR2004 - of HTTP

    @property
    def found(self) -> JsonDict | None:
        """The JSON object, or None if it is an error."""
        return self.content if self.ok and isinstance(self.content, dict) else None

    @property
    def detail(self) -> str:
        """What is wrong, in words."""
        if isinstance(self.content, dict) and isinstance(self.content.get("detail"), str):
            return str(self.content["detail"])
        return f"the service answered {self.status}."


async def ask_patiently(
    request: Request, path: str, query: Query | None = None, *, method: str = "GET", body: object = None
) -> Answer | None:
    """Return the answer to a question that may take long, or None if the browser should show the page without it.

    A script of the page says that it waits by the header ``Prefer: wait`` (RFC 7240).
    """
    waits = "wait" in request.headers.get("prefer", "")
    task = asyncio.create_task(ask(request, path, query, method=method, body=body))
    _RUNNING.add(task)  # a task that nothing refers to may be removed
    task.add_done_callback(_RUNNING.discard)
    done, _ = await asyncio.wait({task}, timeout=None if waits else _PATIENCE_SECONDS)
    return task.result() if done else None


async def ask(
    request: Request,
    path: str,
    query: Query | None = None,
    *,
    method: str = "GET",
    body: object = None,
    headers: Mapping[str, str] | None = None,
    forward: bool = False,
) -> Answer:
    """Ask the interface with the token of a request.

    Args:
        request: of the browser.
        path: below ``/api/v1``.
        query: parameters; those that are None or empty are left out.
        method: the HTTP method.
        body: a JSON value.
        headers: more headers.
        forward: send the body of the browser's request as it is.
    """
    given = {name: value for name, value in (query or {}).items() if value not in (None, "")}
    content = b"" if body is None else json.dumps(body).encode()
    kept = {b"host", b"authorization", b"cookie", b"origin"} | (
        {b"content-type", b"content-length"} if forward else set()
    )
    sent = [(name, value) for name, value in request.scope["headers"] if name in kept]
    if body is not None:
        sent += [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
    sent += [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()]
    full = f"{PREFIX}{path}"
    scope = {name: value for name, value in request.scope.items() if name not in _OF_ONE_REQUEST}
    scope |= {
        "method": method,
        "path": full,
        "raw_path": full.encode(),
        "query_string": urlencode(given, doseq=True).encode(),
        "headers": sent,
    }
    status, parts, cookies = 500, list[bytes](), list[bytes]()

    async def receive() -> Message:
        return {"type": "http.request", "body": content, "more_body": False}

    async def send(message: Message) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]
            cookies.extend(value for name, value in message["headers"] if name.lower() == b"set-cookie")
        else:
            parts.append(message.get("body", b""))

    try:
        await request.app.router(scope, request.receive if forward else receive, send)
    except HTTPException as error:  # no such path
        return Answer(error.status_code, {"detail": str(error.detail)})
    text = b"".join(parts)
    try:
        return Answer(status, json.loads(text) if text else None, tuple(cookies))
    except ValueError:
        return Answer(status)
