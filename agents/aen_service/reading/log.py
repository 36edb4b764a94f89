"""The log of a run, indexed by its lines: the page's other facts come from it."""

import json
import os
from array import array
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from aen._typing import JsonDict
from aen_service.reading.lines import GrowingLines, open_plain

EVERY = 256  # lines between two remembered offsets
_MOST_FAILURES = 2000
_RECENT = 512  # lines that are kept
_MARK = b'"event":"'


@dataclass
class LoggedWorker:
    """A worker, as the log has it.

    Attributes:
        node: name or address of its machine.
        state: ``started`` or ``lost``.
        since: when that was, in seconds since 1970.
        trained: children that it has finished.
    """

    node: str
    state: str
    since: float | None
    trained: int = 0


class RunLog:
    """``log.jsonl``, read as it grows.

    Args:
        path: the file.

    Attributes:
        count: complete lines so far.
        space: the last `SpaceLogged`, or None.
        agent: the last `AgentLogged`, or None.
        actions: names of the agent's actions.
        steps: of all `AgentLogged`.
        losses: of all `AgentLogged`; NaN: none was known.
        selected: children trained after exploring: (stage, factors) by key.
        failures: children that failed or were tried again, the last ones.
        workers: by name.
        version: grows with each change of what is shown of children.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lines = GrowingLines(path)
        self.version = 0
        self._clear()

    def _clear(self) -> None:
        self.count = 0
        self.space: JsonDict | None = None
        self.agent: JsonDict | None = None
        self.actions: list[str] = []
        self.steps = array("d")
        self.losses = array("d")
        self.selected: dict[str, tuple[str, str]] = {}
        self.failures: deque[JsonDict] = deque(maxlen=_MOST_FAILURES)
        self.workers: dict[str, LoggedWorker] = {}
        self._stage = "select"
        self._offsets = array("q", [0])
        self._recent: deque[bytes] = deque(maxlen=_RECENT)

    def update(self) -> None:
        """Read what is new."""
        while self._read_some():
            pass

    def _read_some(self) -> bool:
        """Read some lines; return whether there may be more."""
        offset = self._lines.offset
        anew, lines = self._lines.read()
        if anew:
            self._clear()
            offset = 0
        for line in lines:
            offset += len(line) + 1
            self.count += 1
            self._recent.append(line)
            if self.count % EVERY == 0:
                self._offsets.append(offset)
            take = _TAKERS.get(event_of(line))
            if take is not None:
                try:
                    take(self, json.loads(line))
                except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
                    continue  # damaged
        return bool(lines)

    def place(self, after: int) -> tuple[int, int]:
        """Return (line, byte) of a remembered place at or before the end of line `after`."""
        number = min(after // EVERY, len(self._offsets) - 1)
        return number * EVERY, self._offsets[number]

    def read(self, after: int, size: int) -> list[tuple[int, bytes]]:
        """Return up to `size` lines after line number `after`, with their numbers from 1."""
        line, offset = self.place(after)
        found = []
        for text in _lines_from(self.path, offset):
            line += 1
            if line > after:
                found.append((line, text))
                if len(found) == size:
                    break
        return found

    def newest(self, after: int, size: int) -> list[tuple[int, bytes]]:
        """Return the same as `read`, from the lines that are kept if they are enough."""
        first = self.count - len(self._recent)
        if after < first:
            return self.read(after, size)
        lines = list(self._recent)[after - first : after - first + size]
        return list(enumerate(lines, after + 1))

    def _took_space(self, line: JsonDict) -> None:
        self.space = line
        self.version += 1

    def _took_agent(self, line: JsonDict) -> None:
        self.agent = line
        self.actions = line["actions"] or self.actions
        self.steps.append(line["step"])
        self.losses.append(float("nan") if line["loss"] is None else line["loss"])

    def _took_stage(self, line: JsonDict) -> None:
        self._stage = str(line["name"])

    def _took_retrained(self, line: JsonDict) -> None:
        if line.get("key"):
            self.selected[line["key"]] = (self._stage, str(line["factors"]))
            self.version += 1

    def _took_child(self, line: JsonDict) -> None:
        if line["what"] == "finished":
            worker = self.workers.get(line["worker"])
            if worker is not None:
                worker.trained += 1
        else:
            self.failures.append(line)

    def _took_worker(self, line: JsonDict) -> None:
        known = self.workers.get(line["worker"])
        trained = 0 if known is None else known.trained
        node = line["node"] or ("" if known is None else known.node)
        self.workers[line["worker"]] = LoggedWorker(node, line["what"], seconds_of(line), trained)

    def _took_start(self, _line: JsonDict) -> None:
        self.workers.clear()  # those of an earlier process


_TAKERS = {
    b"space_logged": RunLog._took_space,  # noqa: SLF001 - the same module
    b"agent_logged": RunLog._took_agent,  # noqa: SLF001
    b"stage_started": RunLog._took_stage,  # noqa: SLF001
    b"retrained": RunLog._took_retrained,  # noqa: SLF001
    b"child_logged": RunLog._took_child,  # noqa: SLF001
    b"worker_logged": RunLog._took_worker,  # noqa: SLF001
    b"started": RunLog._took_start,  # noqa: SLF001
}


def event_of(line: bytes) -> bytes:
    """Return the name of the event in a line of a log; empty if it has none."""
    start = line.find(_MARK)
    return b"" if start < 0 else line[start + len(_MARK) : line.find(b'"', start + len(_MARK))]


def seconds_of(line: JsonDict) -> float | None:
    """Return the time of a line in seconds since 1970; None: it has none."""
    try:
        return datetime.fromisoformat(line["time"]).timestamp()
    except (KeyError, TypeError, ValueError):
        return None


def _lines_from(path: Path, offset: int) -> Iterator[bytes]:
    """Yield the complete lines of a file from a byte on."""
    try:
        number = open_plain(path)
    except OSError:
        return
    rest = b""
    try:
        while data := os.pread(number, 1 << 16, offset):
            offset += len(data)
            *whole, rest = (rest + data).split(b"\n")
            yield from whole
    finally:
        os.close(number)
