"""LogTail: follows the log of one search for all who watch it."""

import asyncio
from collections import deque

from aen_service.live.frames import line_frame
from aen_service.reading.run import RunReader

POLL_SECONDS = 0.25
_KEPT_BYTES = 2**20  # of encoded events; who is further behind reads the file
_CATCH_UP = 500  # lines that are read from the file at a time


class LogTail:
    """The lines of a log as server-sent events, from any line on.

    Args:
        reader: of the run.

    Attributes:
        count: lines so far.
        watchers: how many follow it.
    """

    def __init__(self, reader: RunReader) -> None:
        self._reader = reader
        self.count = 0
        self.watchers = 0
        self._pieces: deque[tuple[int, int, bytes]] = deque()  # (line before it, its last line, bytes)
        self._bytes = 0
        self._changed = asyncio.Event()
        self._begun = False

    async def begin(self) -> None:
        """Find the present end of the log."""
        if not self._begun:
            self.count = await asyncio.to_thread(lambda: self._reader.newest_log().count)
            self._begun = True

    async def poll(self) -> None:
        """Read what was appended, and wake the watchers if anything was."""
        while await self._poll():
            pass

    async def _poll(self) -> bool:
        """Read some lines; return whether there are more."""
        before = self.count
        end, lines = await asyncio.to_thread(self._read, before)
        count = min(before, end)
        if end < before:  # the file was cut or replaced
            self._pieces.clear()
            self._bytes = 0
        elif lines:
            content = b"".join(line_frame(number, line) for number, line in lines)
            count = lines[-1][0]
            self._pieces.append((before, count, content))
            self._bytes += len(content)
            while self._bytes > _KEPT_BYTES and len(self._pieces) > 1:
                self._bytes -= len(self._pieces.popleft()[2])
        if count != before:
            self.count = count
            self.wake()
        return before < count < end

    def _read(self, after: int) -> tuple[int, list[tuple[int, bytes]]]:
        count = self._reader.newest_log().count
        return count, self._reader.log_lines(after, _CATCH_UP) if count > after else []

    async def after(self, line: int) -> tuple[int, bytes]:
        """Return the events after a line, as many as are at hand, and the last one's line; none: there are none."""
        line = min(line, self.count)
        if line == self.count:
            return line, b""
        parts, end = [], line
        for before, last, content in self._pieces:
            if before == end:
                parts.append(content)
                end = last
        if parts:
            return end, b"".join(parts)
        # Up to the beginning of the next piece, so that it can be sent as it is.
        ends = [last for before, last, _ in self._pieces if before <= line < last]
        starts = [before for before, _, _ in self._pieces if before > line]
        limit = min([*ends, *starts, self.count]) - line
        lines = await asyncio.to_thread(self._reader.log_lines, line, min(limit, _CATCH_UP))
        if not lines:
            return self.count, b""
        return lines[-1][0], b"".join(line_frame(number, text) for number, text in lines)

    def wake(self) -> None:
        """Wake all watchers."""
        self._changed.set()
        self._changed = asyncio.Event()

    @property
    def changed(self) -> asyncio.Event:
        """Is set at the next change."""
        return self._changed
