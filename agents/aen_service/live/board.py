"""Board: follows the rows of all searches for all who watch the list or one of them."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence

from aen_service.live.frames import frame, removed_frame

POLL_SECONDS = 0.5
_KEPT = 2000  # events

# Returns of every search what changes with it, and the event number of that change, in the order of the changes.
Marks = Callable[[], dict[str, tuple[object, int]]]
# Returns of some searches the JSON that clients get.
Shown = Callable[[list[str]], dict[str, str]]


class Board:
    """The changes of the list of searches as server-sent events.

    Args:
        marks: tells what has changed.
        shown: what is sent.

    Attributes:
        watchers: how many follow it.
        last: number of the last change.
        removed: searches that were removed.
    """

    def __init__(self, marks: Marks, shown: Shown) -> None:
        self._marks = marks
        self._shown = shown
        self._known: dict[str, tuple[object, int]] | None = None
        self._events: deque[tuple[int, bytes]] = deque(maxlen=_KEPT)
        self._sequence = 0
        self._changed = asyncio.Event()
        self.of_search: dict[str, tuple[int, bytes]] = {}
        self.watchers = 0
        self.last = 0
        self.removed: set[str] = set()

    @property
    def sequence(self) -> int:
        """Number of events so far, for `after`."""
        return self._sequence

    @property
    def changed(self) -> asyncio.Event:
        """Is set at the next change."""
        return self._changed

    def wake(self) -> None:
        """Wake all watchers."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def now(self, search: str) -> bytes:
        """Return a search as it is now, as an event."""
        shown = await asyncio.to_thread(self._shown, [search])
        return frame("search", shown[search]) if search in shown else b""

    async def poll(self) -> set[str]:
        """Look at all searches; return those that have changed."""
        marks = await asyncio.to_thread(self._marks)
        before, self._known = self._known, marks
        self.last = max([self.last, *(number for _, number in marks.values())])
        if before is None:
            return set()
        changed = sorted((s for s, mark in marks.items() if before.get(s) != mark), key=lambda s: marks[s][1])
        gone = before.keys() - marks.keys()
        shown = await asyncio.to_thread(self._shown, changed) if changed else {}
        for content in _frames(changed, marks, shown):
            self._add(content)
        for search in changed:
            if search in shown:
                self.of_search[search] = self._sequence, frame("search", shown[search])
        for search in gone:
            self._add(removed_frame(search))
            self.removed.add(search)
            self.of_search.pop(search, None)
        if changed or gone:
            self.wake()
        return {*changed, *gone}

    def _add(self, content: bytes) -> None:
        self._sequence += 1
        self._events.append((self._sequence, content))

    def after(self, sequence: int) -> bytes | None:
        """Return the events after one; None: some of them are not kept any more."""
        if self._sequence - sequence > len(self._events):
            return None
        return b"".join(content for number, content in self._events if number > sequence)

    async def since(self, number: int) -> bytes:
        """Return the searches whose last change has a greater number, for a client that comes back."""
        marks = await asyncio.to_thread(self._marks)
        missed = sorted((s for s, (_, n) in marks.items() if n > number), key=lambda s: marks[s][1])
        shown = await asyncio.to_thread(self._shown, missed) if missed else {}
        return b"".join(_frames(missed, marks, shown))


def _frames(
    searches: Sequence[str], marks: Mapping[str, tuple[object, int]], shown: Mapping[str, str]
) -> Iterator[bytes]:
    """Yield an event for each search. Of those that changed at one time the last has its number, so none is missed.

    Args:
        searches: sorted by their numbers.
        marks: has the numbers.
        shown: the searches as JSON.
    """
    known = [search for search in searches if search in shown]
    for place, search in enumerate(known):
        number = marks[search][1]
        more = place + 1 < len(known) and marks[known[place + 1]][1] == number
        yield frame("search", shown[search], number=None if more else number)
