"""Reading event streams, as a browser does."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import httpx


class Sent(NamedTuple):
    """An event."""

    id: str
    event: str
    data: Any


@contextmanager
def watching(client: httpx.Client, path: str, **headers: str) -> Iterator[Iterator[Sent]]:
    """Open a stream; its events, without comments, come one by one."""
    with client.stream("GET", path, headers=headers, timeout=30) as answer:
        assert answer.status_code == httpx.codes.OK, answer.read()
        assert answer.headers["content-type"].startswith("text/event-stream")
        found = answer.iter_lines()
        # What a stream begins with, and with it the number of the last event: from then on no change is missed.
        beginning = dict(line.split(": ") for line in iter(found.__next__, ""))
        yield _events(found, beginning["id"])


def _events(lines: Iterator[str], last: str) -> Iterator[Sent]:
    name, data = "message", ""
    for line in lines:
        field, _, value = line.partition(": ")
        if field == "id":
            last = value
        elif field == "event":
            name = value
        elif field == "data":
            data = value
        elif not line and data:
            yield Sent(last, name, json.loads(data))
            name, data = "message", ""
