"""Server-sent events: the log of a search line by line, and the changes of the list."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Header, Query, Request, Response
from starlette.types import Receive, Scope, Send

from aen_service.access import AnyToken, TheService
from aen_service.api.searches import search_out
from aen_service.database import SEARCHES
from aen_service.live.board import Board
from aen_service.live.streams import Streams
from aen_service.service import Service

router = APIRouter(tags=["events"])
SLOW_SECONDS = 10.0  # a client that takes nothing for so long is dropped
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
_STREAM: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}, "description": "Events"}
}

LastEventId = Annotated[str | None, Header(pattern=r"^\d{1,18}$", max_length=18)]
After = Annotated[int | None, Query(ge=0, lt=10**18)]


class EventStream(Response):
    """A response that lasts until the client, or the source, ends it.

    Args:
        source: what is sent.
    """

    media_type = "text/event-stream"

    def __init__(self, source: AsyncIterator[bytes]) -> None:
        super().__init__(headers=_HEADERS)
        del self.headers["content-length"]
        self._source = source

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        """Send what the source gives. A client that is too slow is dropped, not waited for."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        sending = asyncio.create_task(self._send(send))
        leaving = asyncio.create_task(_until_left(receive))
        try:
            await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (sending, leaving):
                task.cancel()
            await asyncio.gather(sending, leaving, return_exceptions=True)

    async def _send(self, send: Send) -> None:
        try:
            async for content in self._source:
                async with asyncio.timeout(SLOW_SECONDS):
                    await send({"type": "http.response.body", "body": content, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            await self._source.aclose()  # type: ignore[attr-defined]


async def _until_left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def make_streams(service: Service, is_ending: Callable[[], bool]) -> Streams:
    """Return the event streams of a service."""

    def marks() -> dict[str, tuple[object, int]]:
        columns = (SEARCHES.c.id, SEARCHES.c.updated, SEARCHES.c.state)
        rows = service.database.rows(sa.select(*columns))
        place = {search: number for number, search in enumerate(service.searches.queue())}
        return {row.id: ((row.updated, row.state, place.get(row.id)), int(row.updated * 1e6)) for row in rows}

    def shown(searches: list[str]) -> dict[str, str]:
        found = service.searches.where(SEARCHES.c.id.in_(searches))
        return {record.id: search_out(service, record).model_dump_json() for record in found}

    return Streams(service, Board(marks, shown), is_ending)


@router.get("/searches/{search}/events", status_code=200, response_class=EventStream, responses=_STREAM)
async def search_events(
    search: str,
    token: AnyToken,
    service: TheService,
    *,
    request: Request,
    last_event_id: LastEventId = None,
    after: After = None,
) -> EventStream:
    """Stream a search's log: an event for each line, whose ``id`` is the line's number from 1.

    A client that comes back with ``Last-Event-ID``, or ``?after=``, gets what follows that line. Without them the
    stream begins with the next line that is written; ``?after=0`` begins with the first. ``event: search`` has the
    search, at the beginning and whenever it changes.
    """
    streams: Streams = request.app.state.streams
    record = await asyncio.to_thread(service.searches.get, search)
    streams.check_room()
    return EventStream(streams.of_search(record, token, after if last_event_id is None else int(last_event_id)))


@router.get("/events", status_code=200, response_class=EventStream, responses=_STREAM)
async def list_events(
    token: AnyToken, request: Request, last_event_id: LastEventId = None, after: After = None
) -> EventStream:
    """Stream the changes of the list: ``event: search`` has a search, ``event: removed`` the identifier of one."""
    streams: Streams = request.app.state.streams
    streams.check_room()
    return EventStream(streams.of_list(token, after if last_event_id is None else int(last_event_id)))
