"""Server-sent events, as WHATWG's HTML standard defines their format."""

import json
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from aen._typing import JsonDict


@dataclass(frozen=True)
class ServerEvent:
    """An event of a search.

    Attributes:
        id: number of its line in the search's log; None: it is none of the log's.
        kind: ``visited``, ``trained``, ...: the events of docs/monitoring.md; ``search``: the search has another state.
        data: the line of the log, or the search.
    """

    id: int | None
    kind: str
    data: JsonDict


def parse_events(lines: Iterable[str]) -> Iterator[ServerEvent]:
    """Yield the events of a stream; one that is cut short by the end of the stream is none.

    Args:
        lines: of the stream, without their ends.
    """
    kind, number = "", None
    data: list[str] = []
    for line in lines:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not line:
            event = _event(kind, data, number)
            if event is not None:
                yield event
            kind, data, number = "", [], None
        elif name == "event":
            kind = value
        elif name == "data":
            data.append(value)
        elif name == "id" and value.isdecimal():
            number = int(value)


def _event(kind: str, data: list[str], number: int | None) -> ServerEvent | None:
    with suppress(ValueError):
        content = json.loads("\n".join(data)) if data else None
        if isinstance(content, dict):
            return ServerEvent(number, kind or "message", content)
    return None
