"""The HTTP protocol of uvicorn with limits on what a client sends before, and apart from, a request's body.

uvicorn itself bounds neither the size of the header nor the time in which it comes, and an application sees a request
only when its header is complete.
"""

import asyncio
import json
from functools import partial
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from aen_service.headers import SECURITY_HEADERS
from aen_service.settings import Limits

_LINGER_SECONDS = 2.0  # in which the rest of a body is read that nobody asks for, so that the client sees the answer
_PER_CHUNK = 16  # bytes of a chunk's frame that are normal; extensions make it larger
_FRAME_BYTES = 2**16


class RefusedError(Exception):
    """A message that is not read any further; the parser passes it on as an error of its own."""


class GuardedProtocol(HttpToolsProtocol):
    """A connection whose messages are bounded in size and in time.

    Args:
        limits: the limits.
        words: the arguments of uvicorn's protocol.
    """

    def __init__(self, *, limits: Limits, **words: Any) -> None:  # noqa: ANN401 - of uvicorn
        super().__init__(**words)
        self._limits = limits
        self._head = 0  # bytes of the present message's header
        self._lines = 0
        self._in_head = True
        self._frames = 0  # bytes of the present body that are not its content
        self._read = 0  # bytes since the timer last rang
        self._timer: asyncio.TimerHandle | None = None
        self._why = (HTTPStatus.BAD_REQUEST, "this is not a valid request of HTTP 1.1.")

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Bound the number of connections, and the time until the first request."""
        super().connection_made(transport)
        if len(self.connections) > self._limits.connections:
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, "too many connections are open; try again later.")
            self.send_400_response("")
            return
        self._ring_after(self._limits.head_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timer."""
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Bound a header that is not complete, and what surrounds the chunks of a body."""
        self._read += len(data)
        if self._in_head:
            self._head += len(data)
        else:
            self._frames += len(data)
        super().data_received(data)
        if self.parser is None or self.transport.is_closing():
            return
        if self._in_head and self._head > self._limits.head_bytes:
            self._too_long()
        elif not self._in_head and self._frames > _FRAME_BYTES:
            self._refuse(HTTPStatus.BAD_REQUEST, "the body's chunks have long extensions; send none.")
        else:
            answered = self.cycle is None or self.cycle.response_complete
            if self._in_head and answered and self._timer is None:  # an empty line ended uvicorn's own time-out
                self._ring_after(self._limits.head_seconds)
            return
        self.send_400_response("")

    def on_message_begin(self) -> None:
        """Begin a message: its header must come within a time."""
        self._head, self._lines, self._in_head, self._frames = 1, 0, True, 0
        self._ring_after(self._limits.head_seconds)
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Bound the address."""
        super().on_url(url)
        if len(self.url) > self._limits.url_bytes:
            self._refuse(
                HTTPStatus.REQUEST_URI_TOO_LONG, f"the address has more than {self._limits.url_bytes:,} bytes."
            )
            raise RefusedError

    def on_header(self, name: bytes, value: bytes) -> None:
        """Bound the header, and read no fields after the body, which would become fields of the header."""
        self._head += len(name) + len(value) if not self._in_head else 0
        self._lines += 1
        if self._lines > self._limits.head_lines or self._head > self._limits.head_bytes + 2**18:
            self._too_long()
            raise RefusedError
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Accept a path only: the host in an absolute address would be another than that of the header ``Host``."""
        if not self.url.startswith(b"/") or self.url.startswith(b"//"):
            self._refuse(HTTPStatus.BAD_REQUEST, "the address of a request is a path, such as /api/v1/searches.")
            raise RefusedError
        if self.parser.get_http_version() not in {"1.0", "1.1"}:
            raise RefusedError
        if sum(len(name) + len(value) + 4 for name, value in self.headers) > self._limits.head_bytes:
            self._too_long()
            raise RefusedError
        self._in_head, self._head = False, 0
        self._ring_after(self._limits.idle_seconds)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Tell the content of a body from its frame."""
        self._frames -= len(body) + _PER_CHUNK
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End the message: only the service's own time passes now."""
        self._stop_timer()
        self._in_head, self._head = True, 0
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Close the connection soon if a request was answered before its body was read."""
        super().on_response_complete()
        if self.cycle.response_complete and self.cycle.more_body and not self.transport.is_closing():
            self.loop.call_later(_LINGER_SECONDS, self._close_unless_read, self.cycle)

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - of uvicorn
        """Say why a message is refused, and close the connection; nothing is said where an answer has begun."""
        self._stop_timer()
        if self.transport.is_closing():
            return
        cycle = self.cycle
        if cycle is None or not cycle.response_started or (cycle.response_complete and self._in_head):
            if cycle is not None:
                cycle.disconnected = True  # the application's own answer would come after this one
                cycle.message_event.set()
            status, detail = self._why
            content = {"type": "about:blank", "title": status.phrase.lower(), "status": int(status), "detail": detail}
            body = json.dumps(content).encode()
            lines = [
                *(b"%s: %s\r\n" % (name, value) for name, value in self.server_state.default_headers),
                *(f"{name}: {value}\r\n".encode() for name, value in SECURITY_HEADERS.items()),
                b"content-type: application/problem+json\r\ncache-control: no-store\r\n",
                b"content-length: %d\r\nconnection: close\r\n\r\n" % len(body),
            ]
            self.transport.write(b"".join([STATUS_LINE[status], *lines, body]))
        self.transport.close()

    def _too_long(self) -> None:
        limits = self._limits
        self._refuse(
            HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
            f"the header has more than {limits.head_bytes:,} bytes or {limits.head_lines} lines.",
        )

    def _refuse(self, status: HTTPStatus, detail: str) -> None:
        self._why = (status, detail)

    def _close_unless_read(self, cycle: object) -> None:
        if self.cycle is cycle and self.cycle.more_body:
            self.transport.close()

    def _ring_after(self, seconds: float) -> None:
        self._stop_timer()
        self._read = 0
        self._timer = self.loop.call_later(seconds, self._ring)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _ring(self) -> None:
        if self.transport.is_closing():
            return
        enough = self._limits.slowest_bytes * self._limits.idle_seconds
        if not self._in_head and (self.flow.read_paused or self._read >= enough):  # it is the service that is slow
            self._ring_after(self._limits.idle_seconds)
            return
        if self._in_head and not self._head:  # an idle connection: nothing has been asked
            self.transport.close()
            return
        what = "header" if self._in_head else "body"
        self._refuse(HTTPStatus.REQUEST_TIMEOUT, f"the request's {what} comes too slowly.")
        self.send_400_response("")


def guarded(limits: Limits) -> Any:  # noqa: ANN401 - what uvicorn takes as a protocol
    """Return the protocol with these limits, for uvicorn."""
    return partial(GuardedProtocol, limits=limits)
