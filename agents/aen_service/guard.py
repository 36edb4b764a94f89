"""The outermost layer of the application: what holds for every request and every response."""

import asyncio
import logging
import re
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from urllib.parse import unquote

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aen._text import printable, shortened
from aen_service.errors import InvalidRequestError, ServiceError, TooLargeError
from aen_service.headers import SECURITY_HEADERS
from aen_service.metrics import Metrics
from aen_service.problems import problem, problem_response
from aen_service.secret_text import hide_all
from aen_service.settings import Limits

_LOG = logging.getLogger("aen_service")
_ACCESS = logging.getLogger("aen_service.access")
_API = "/api/"
_LONGEST = {"content-type": 256, "range": 100, "host": 255, "origin": 300}  # of fields that are parsed
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SERVER_ERROR = 500


class Guard:
    """Bounds what is parsed of a request, sets the fields that protect a browser, logs, and counts.

    Args:
        app: what answers the requests.
        limits: the limits.
        metrics: counts the requests.
        template: returns the path of a route, with its parameters in braces.
    """

    def __init__(self, app: ASGIApp, limits: Limits, metrics: Metrics, template: Callable[[object], str]) -> None:
        self._app = app
        self._limits = limits
        self._metrics = metrics
        self._template = template

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = _Answer(scope, receive, send, self._limits.send_seconds)
        # HEAD is a GET of which the client wants the header; no stream is begun for it.
        inner = {**scope, "method": "GET"} if scope["method"] == "HEAD" else scope
        hears = answer.receive if scope["method"] == "HEAD" else receive
        try:
            check_form(scope)
            await self._app(inner, hears, answer.send)
        except ServiceError as error:
            await problem_response(error)(scope, receive, answer.send)
        except (ClientDisconnect, TimeoutError):
            answer.cut = True
        except asyncio.CancelledError:  # the service ends
            answer.cut = True
        except Exception as error:  # noqa: BLE001 - the last place that sees it
            if not answer.logged_by_handler(error):
                _LOG.error("%s", hide_all("".join(traceback.format_exception(error))))
        finally:
            await answer.finish()
            self._done(scope, inner, answer)

    def _done(self, scope: Scope, inner: Scope, answer: "_Answer") -> None:
        seconds = time.perf_counter() - answer.begun
        route = self._template(inner.get("route"))
        self._metrics.answered(scope["method"], route, answer.status, None if answer.stream else seconds)
        token = inner.get("state", {}).get("token")
        path = shortened(printable(hide_all(scope["path"])), 300)
        if _ACCESS.isEnabledFor(logging.INFO):  # without the query, which may have anything
            who = token.id if token is not None else "-"
            _ACCESS.info("%s %s %d %.0f ms token %s", scope["method"], path, answer.status, seconds * 1000, who)


class _Answer:
    """The response to a request as it is sent."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, seconds: float) -> None:
        self.begun = time.perf_counter()
        self.status = _SERVER_ERROR
        self.stream = False
        self.cut = False
        self._scope = scope
        self._receive = receive
        self._asked = False  # whether the request was read to its end
        self._send = send
        self._seconds = seconds
        self._started = False
        self._ended = asyncio.Event()

    async def send(self, message: Message) -> None:
        """Send a part; a client that does not read it in time is dropped."""
        if self._ended.is_set():
            return
        if message["type"] == "http.response.start":
            self._started, self.status = True, message["status"]
            headers = MutableHeaders(raw=list(message.get("headers", ())))
            self.stream = headers.get("content-type", "").startswith("text/event-stream")
            for name, value in SECURITY_HEADERS.items():
                headers.setdefault(name, value)
            headers.setdefault("cache-control", "no-store" if self._scope["path"].startswith(_API) else "no-cache")
            message = {**message, "headers": headers.raw}
        last = message["type"] == "http.response.body" and not message.get("more_body", False)
        async with asyncio.timeout(self._seconds):
            await self._send(message)
        if last:
            self._ended.set()
        elif self._scope["method"] == "HEAD" and self._started:
            await self._send({"type": "http.response.body"})
            self._ended.set()

    async def receive(self) -> Message:
        """Read a request whose client is gone for the application once the header of the response is sent: a HEAD."""
        if not self._asked:
            message = await self._receive()
            self._asked = not message.get("more_body", False)
            return message
        await self._ended.wait()
        return {"type": "http.disconnect"}

    def logged_by_handler(self, _error: Exception) -> bool:
        """Return whether the handler of errors has answered, which logs them."""
        return self._started and self.status == _SERVER_ERROR

    async def finish(self) -> None:
        """End a response that was begun, or say that there is none."""
        if self._ended.is_set():
            return
        with suppress(Exception):
            if self._started:
                await self._send({"type": "http.response.body"})
            elif not self.cut:
                response = problem(_SERVER_ERROR, "internal error", "the service failed; its log says why.")
                await response(self._scope, self.receive, self.send)
            else:
                self.status = 499  # the client went away
                response = problem(503, "not available", "the request was not read to its end.")
                await response(self._scope, self.receive, self._send)


def check_form(scope: Scope) -> None:
    """Check what of a request is parsed before its body.

    Raises:
        InvalidRequestError: a control character, or a field that is given twice.
        TooLargeError: a field is longer than any good one.
    """
    path, query = scope["path"], scope.get("query_string", b"").decode("latin-1")
    if _CONTROL.search(path) or _CONTROL.search(unquote(query, errors="replace")):
        raise InvalidRequestError("the address has a control character; leave it out.", status=400)
    headers = Headers(scope=scope)
    for name, longest in _LONGEST.items():
        values = headers.getlist(name)
        if len(values) > 1:
            raise InvalidRequestError(f"the header {name.title()} is given twice.", argument=name, status=400)
        if values and len(values[0]) > longest:
            raise TooLargeError(
                f"the header {name.title()} has {len(values[0]):,} characters; at most {longest} are read.",
                argument=name,
                status=431,
            )
