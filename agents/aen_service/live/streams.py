"""Streams: the event streams that are open, and the tasks that feed them."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import TypeVar

from aen._secrets import hide_secrets
from aen.errors import AenError
from aen_service.errors import QuotaError
from aen_service.live.board import POLL_SECONDS as BOARD_SECONDS
from aen_service.live.board import Board
from aen_service.live.frames import KEEP_ALIVE, opening, removed_frame
from aen_service.live.tail import POLL_SECONDS, LogTail
from aen_service.searches.records import SearchRecord
from aen_service.service import Service
from aen_service.tokens import Token

_LOG = logging.getLogger("aen_service")
KEEP_ALIVE_SECONDS = 15.0
_Found = TypeVar("_Found")
_TOKEN_SECONDS = 5.0  # for which a token is believed to be valid


class Streams:
    """Event streams of a service. All methods run in the server's event loop.

    Args:
        service: the service.
        board: follows the searches.
        is_ending: returns whether the server is about to end, so that streams must, too.
    """

    def __init__(self, service: Service, board: Board, is_ending: Callable[[], bool]) -> None:
        self._service = service
        self._board = board
        self._is_ending = is_ending
        self._tails: dict[str, LogTail] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._valid: dict[str, float] = {}
        self.open = 0

    async def of_search(self, record: SearchRecord, token: Token, after: int | None) -> AsyncIterator[bytes]:
        """Yield the lines of a search's log as events, and the search whenever it changes, until it is removed.

        Args:
            record: the search.
            token: of the client.
            after: number of the last line that it has; None: lines so far are not sent.
        """
        async with self._place(), self._followed(record) as tail, self._watched_board():
            line = tail.count if after is None else min(after, tail.count)
            seen = self._board.of_search.get(record.id, (0, b""))[0]
            yield opening(line) + await self._board.now(record.id)
            while await self._goes_on(token):
                changed = tail.changed
                line, content = await tail.after(line)
                number, row = self._board.of_search.get(record.id, (seen, b""))
                if number > seen:
                    seen, content = number, content + row
                if content:
                    yield content
                elif record.id in self._board.removed:
                    yield removed_frame(record.id)
                    return
                elif not await _happens(changed):
                    yield KEEP_ALIVE

    async def of_list(self, token: Token, after: int | None) -> AsyncIterator[bytes]:
        """Yield every search that changes.

        Args:
            token: of the client.
            after: number of the last change that it has; None: changes so far are not sent.
        """
        async with self._place(), self._watched_board() as board:
            sequence = board.sequence
            missed = b"" if after is None else await board.since(after)
            yield opening(board.last if after is None else after) + missed
            while await self._goes_on(token):
                changed = board.changed
                content = board.after(sequence)
                if content is None:  # it is too slow, and comes back with the number of what it has
                    return
                sequence = board.sequence
                if content:
                    yield content
                elif not await _happens(changed):
                    yield KEEP_ALIVE

    async def _goes_on(self, token: Token) -> bool:
        """Return whether a stream goes on: the server does not end, and the token was not revoked."""
        if self._is_ending():
            return False
        now = time.monotonic()
        if now - self._valid.get(token.id, float("-inf")) > _TOKEN_SECONDS:
            self._valid[token.id] = now  # others need not ask meanwhile
            if not await asyncio.to_thread(self._service.tokens.is_valid, token.id):
                self._valid.pop(token.id, None)
                return False
        return True

    @asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        """Count a stream while it is open.

        Raises:
            QuotaError: there are too many.
        """
        self.check_room()
        self.open += 1
        try:
            yield
        finally:
            self.open -= 1

    def check_room(self) -> None:
        """Check that one more stream may be opened.

        Raises:
            QuotaError: it may not.
        """
        most = self._service.settings.limits.watchers
        if self.open >= most:
            raise QuotaError(f"{self.open} event streams are open, the most allowed; close one, or ask again later.")

    @asynccontextmanager
    async def _followed(self, record: SearchRecord) -> AsyncIterator[LogTail]:
        tail = self._tails.get(record.id)
        if tail is None:
            tail = self._tails[record.id] = LogTail(self._service.readers.of(record))
        tail.watchers += 1
        try:
            await tail.begin()
            if record.id not in self._tasks:
                self._tasks[record.id] = asyncio.create_task(self._feed(record.id, tail))
            yield tail
        finally:
            tail.watchers -= 1

    async def _feed(self, search: str, tail: LogTail) -> None:
        """Poll a log while anybody watches it."""
        try:
            while tail.watchers:
                await _quietly(tail.poll)
                if self._is_ending():
                    tail.wake()
                await asyncio.sleep(POLL_SECONDS)
        finally:
            self._tasks.pop(search, None)
            if self._tails.get(search) is tail:
                del self._tails[search]

    @asynccontextmanager
    async def _watched_board(self) -> AsyncIterator[Board]:
        board = self._board
        board.watchers += 1
        try:
            if "" not in self._tasks:
                await _quietly(board.poll)  # what changed while nobody watched
                if "" not in self._tasks:
                    self._tasks[""] = asyncio.create_task(self._feed_board())
            yield board
        finally:
            board.watchers -= 1

    async def _feed_board(self) -> None:
        try:
            while self._board.watchers:
                for search in await _quietly(self._board.poll) or ():
                    if search in self._tails:
                        self._tails[search].wake()
                if self._is_ending():
                    self._board.wake()
                await asyncio.sleep(BOARD_SECONDS)
        finally:
            self._tasks.pop("", None)


async def _happens(event: asyncio.Event) -> bool:
    """Wait for an event, until it is time to show that the connection lives."""
    with suppress(TimeoutError):
        async with asyncio.timeout(KEEP_ALIVE_SECONDS):
            await event.wait()
        return True
    return False


async def _quietly(poll: Callable[[], Awaitable[_Found]]) -> _Found | None:
    try:
        return await poll()
    except (AenError, OSError) as error:  # the database is busy, or a disk fails: tried again
        _LOG.warning("live events: %s", hide_secrets(str(error)))
        return None
