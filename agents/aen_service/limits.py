"""Limits of what a token asks for at the same time, and of the bodies of requests."""

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from json import dumps, loads

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aen_service.errors import InvalidRequestError, QuotaError, ServiceError, TooLargeError
from aen_service.problems import problem_response
from aen_service.settings import Limits

_UPLOADS = ("/api/v1/datasets", "/datasets")
_BATCHES = "/api/v1/evaluations"
_LOG_IN = "/api/v1/session"
_LOG_IN_BYTES = 4096
_STREAM = "/events"
_LARGE = 2**16  # bytes from which a body is looked through by another thread
# Possessive, so that no text makes it slow; a string without an end goes to the end of the text.
_STRING = re.compile(rb'"(?:[^"\\]++|\\.?)*+"?+', re.DOTALL)
_NO_BRACKET = bytes(set(range(256)) - set(b"[]{}"))
_SAME_BRACKETS = bytes.maketrans(b"{}", b"[]")
_ODD = re.compile(rb"\\u(?:[dD][89a-fA-F]|0000)|NaN|Infinity")


class RequestLimits:
    """Bounds what is done for a token at the same time, and what is read of a body.

    Args:
        app: what answers the requests.
        limits: the limits.
    """

    def __init__(self, app: ASGIApp, limits: Limits) -> None:
        self._app = app
        self._limits = limits
        self._busy: Counter[tuple[str, str]] = Counter()  # by token and kind

    @property
    def watchers(self) -> int:
        """The event streams that are open."""
        return sum(number for (_, kind), number in self._busy.items() if kind == "stream")

    @property
    def uploads(self) -> int:
        """The data sets that are being uploaded."""
        return sum(number for (_, kind), number in self._busy.items() if kind == "upload")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        token = scope.get("state", {}).get("token")
        try:
            with self._counted(scope, "" if token is None else token.id) as kind:
                await self._app(scope, await self._reader(scope, receive, kind), send)
        except ServiceError as error:
            await problem_response(error)(scope, receive, send)

    @contextmanager
    def _counted(self, scope: Scope, token: str) -> Iterator[str]:
        limits, path = self._limits, scope["path"]
        upload = scope["method"] == "POST" and path in _UPLOADS
        kind = "stream" if path.endswith(_STREAM) else "upload" if upload else "request"
        most = {"stream": limits.token_watchers, "upload": limits.token_uploads, "request": limits.requests}[kind]
        if token and self._busy[token, kind] >= most:
            raise QuotaError(
                f"{most} {kind}s of this token are open, the most allowed; try again later.",
                headers={"Retry-After": "1"},
            )
        if kind == "stream" and self.watchers >= limits.watchers:
            raise QuotaError(
                f"{limits.watchers} event streams are open, the most allowed; try again later.",
                headers={"Retry-After": "5"},
            )
        self._busy[token, kind] += 1
        try:
            yield kind
        finally:
            self._busy[token, kind] -= 1
            if not self._busy[token, kind]:
                del self._busy[token, kind]

    async def _reader(self, scope: Scope, receive: Receive, kind: str) -> Receive:
        """Return what reads the body: all of it is read and checked before, except an upload.

        Raises:
            ServiceError: the body is too large, compressed, or not JSON that can be taken.
        """
        headers = Headers(scope=scope)
        if headers.get("content-encoding", "identity").lower() != "identity":
            raise InvalidRequestError(
                "the body is compressed; send it without Content-Encoding.",
                argument="content-encoding",
                status=HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
                headers={"Connection": "close"},
            )
        most = self._most(scope["path"], kind)
        given = headers.get("content-length", "0")
        if given.isdecimal() and int(given) > most:
            raise _too_large(most)
        if kind == "upload":
            return _Bounded(receive, most)
        if given == "0" and "transfer-encoding" not in headers:
            return receive
        body, more = bytearray(), True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return _replayed(message, receive)
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) > most:
                raise _too_large(most)
        content = bytes(body)
        if len(content) > _LARGE:
            await run_in_threadpool(check_json, content, self._limits.json_depth)
        else:
            check_json(content, self._limits.json_depth)
        return _replayed({"type": "http.request", "body": content, "more_body": False}, receive)

    def _most(self, path: str, kind: str) -> int:
        if kind == "upload":
            return self._limits.upload_bytes
        if path == _LOG_IN:
            return _LOG_IN_BYTES
        return self._limits.batch_bytes if path.startswith(_BATCHES) else self._limits.body_bytes


class _Bounded:
    """Reads a body as it comes, up to a number of bytes."""

    def __init__(self, receive: Receive, most: int) -> None:
        self._receive, self._left, self._most = receive, most, most

    async def __call__(self) -> Message:
        message = await self._receive()
        self._left -= len(message.get("body", b""))
        if self._left < 0:  # an HTTPException passes through the parsers of forms
            error = _too_large(self._most)
            raise HTTPException(error.status, str(error), {"Connection": "close"})
        return message


def _replayed(message: Message, receive: Receive) -> Receive:
    """Return what returns a message, and then what else comes."""
    waiting = [message]

    async def reader() -> Message:
        return waiting.pop() if waiting else await receive()

    return reader


def _too_large(most: int) -> ServiceError:
    return TooLargeError(
        f"the body has more than {most:,} bytes, the most that is read.", headers={"Connection": "close"}
    )


def check_json(content: bytes, deepest: int) -> None:
    """Check that JSON can be read and written again; what is no JSON at all is left to its parser.

    Raises:
        InvalidRequestError: the brackets are nested too deeply, or a value is no JSON, NUL or half a character.
    """
    if b"\0" in content:
        raise InvalidRequestError("the body is not JSON in UTF-8.", status=400)
    brackets, depth = _STRING.sub(b"", content).translate(_SAME_BRACKETS, _NO_BRACKET), 0
    while brackets and depth <= deepest:
        inner = brackets.replace(b"[]", b"")
        if inner == brackets:
            break
        brackets, depth = inner, depth + 1
    if depth + brackets.count(b"[") > deepest:
        raise InvalidRequestError(f"the body's brackets are nested deeper than {deepest}.", status=400)
    if _ODD.search(content):
        _check_values(content)


def _check_values(content: bytes) -> None:
    try:
        text = dumps(loads(content, parse_constant=_no_constant), ensure_ascii=False)
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidRequestError("a text has half of a character, a lone surrogate.", status=400) from error
    except InvalidRequestError:
        raise
    except ValueError:
        return  # no JSON: its parser says why
    if "\\u0000" in text.replace("\\\\", ""):
        raise InvalidRequestError("a text has the character NUL; leave it out.", status=400)


def _no_constant(name: str) -> float:
    raise InvalidRequestError(f"{name} is not JSON; leave it out or send null.", status=400)
