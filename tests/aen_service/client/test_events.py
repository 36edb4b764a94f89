"""A watcher misses no event and gets none twice, wherever its connection is cut."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import pytest

from aen_agents import events
from aen_service.client import Client, ServerEvent
from aen_service.client.events import parse_events
from aen_service.errors import NotFoundError, UnavailableError
from aen_service.watching import event_of

LINES = [{"time": "t", "run": "r", "event": "notice", "text": f"line {number}"} for number in range(1, 41)]


class Cutting(BaseHTTPRequestHandler):
    """Sends a log as server-sent events, and cuts each connection after some bytes."""

    protocol_version = "HTTP/1.1"
    cuts: ClassVar[list[int]] = []
    asked: ClassVar[list[str | None]] = []
    chunked: ClassVar[bool] = True
    refuse: ClassVar[int] = 0

    def do_GET(self) -> None:
        path = urlsplit(self.path)
        if path.path == "/api/v1/searches/id/log":
            after = int(parse_qs(path.query)["after"][0])
            items = [line | {"id": number} for number, line in enumerate(LINES, 1) if number > after][:7]
            self.answer(200, json.dumps({"items": items, "next": after + len(items)}).encode())
            return
        if path.path != "/api/v1/searches/id/events":
            self.answer(404, json.dumps({"detail": "there is no search 'x'"}).encode())
            return
        self.asked.append(self.headers["Last-Event-ID"])
        if len(self.asked) <= self.refuse:
            self.answer(503, json.dumps({"detail": "the disk is full"}).encode())
            return
        self.stream(int(self.headers["Last-Event-ID"]))

    def stream(self, after: int) -> None:
        # One line before is sent again, as a server may whose idea of the place is another one.
        begin = max(after - 1, 0)
        text = "".join(
            f"id: {number}\nevent: {line['event']}\ndata: {json.dumps(line)}\n\n: ping\n\n"
            for number, line in enumerate(LINES[:-2], 1)
            if number > begin
        )
        text += 'event: search\ndata: {"state": "complete"}\n\n'
        content = text.encode()[: self.cuts.pop(0) if self.cuts else None]
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        if self.chunked:
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(b"%x\r\n%s\r\n" % (len(content), content) if self.chunked else content)
        self.close_connection = True

    def answer(self, status: int, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def cutting(**settings: Any) -> Iterator[str]:
    kind = type("Kind", (Cutting,), {"cuts": [], "asked": []} | settings)
    with ThreadingHTTPServer(("127.0.0.1", 0), kind) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("chunked", [True, False], ids=["an error", "an end"])
@pytest.mark.parametrize("cuts", [[], [500], [1200, 3, 0, 777], [150, 151, 152]], ids=str)
def test_nothing_is_missed_and_nothing_comes_twice(
    cuts: list[int], chunked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aen_service.client.client._PAUSES", (0.0,))
    with cutting(cuts=[*cuts], chunked=chunked) as url, Client(url, "t") as client:
        found = list(client.events("id"))
    assert [event.id for event in found] == [*range(1, 41), None]
    assert [event.data["text"] for event in found[:-1]] == [line["text"] for line in LINES]
    assert found[-1].data == {"state": "complete"}


def test_it_begins_where_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aen_service.client.client._PAUSES", (0.0,))
    with cutting() as url, Client(url, "t") as client:
        assert [event.id for event in client.events("id", after=30)] == [*range(31, 41), None]


def test_a_service_that_cannot_be_used_for_a_while_is_borne(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aen_service.client.client._PAUSES", (0.0,))
    with cutting(refuse=3) as url, Client(url, "t") as client:
        assert len(list(client.events("id"))) == 41
    failing = pytest.raises(UnavailableError, match="the disk is full")
    with cutting(refuse=10**6) as url, Client(url, "t", patience=0.0) as client, failing:
        list(client.events("id"))


def test_a_search_that_does_not_exist_is_an_error_at_once() -> None:
    with cutting() as url, Client(url, "t") as client, pytest.raises(NotFoundError, match="no search 'x'"):
        next(client.events("x"))


def test_the_format_of_events() -> None:
    lines = [
        "event: a",
        'data: {"x":',
        "data:1}",
        "id: 7",
        "",
        ": comment",
        "",
        "data: no JSON",
        "",
        'data: {"y": 2}',
        "",
    ]
    assert list(parse_events(lines)) == [ServerEvent(7, "a", {"x": 1}), ServerEvent(None, "message", {"y": 2})]
    assert list(parse_events(lines[:4])) == [], "it was cut short"


def test_lines_of_the_log_are_events_again() -> None:
    line = {"time": "t", "run": "r", "event": "stage_started", "name": "explore", "total": 3, "unit": "children"}
    assert event_of(ServerEvent(1, "stage_started", line)) == events.StageStarted("explore", 3)
    assert event_of(ServerEvent(1, "started", line)) is None
    assert event_of(ServerEvent(1, "stage_started", {"name": "explore"})) is None, "of another version"
    assert event_of(ServerEvent(1, "json_dict", {})) is None
