"""The event log: every event of a run as a line of JSON in ``log.jsonl``."""

import json
import math
import os
import re
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aen._secrets import hide_secrets
from aen_agents.events import Event

_ENCODE = json.JSONEncoder(allow_nan=False, separators=(",", ":"), default=str).encode
_BLOCK = 1 << 16
_CAPITAL = re.compile(r"(?<=.)(?=[A-Z])")


class EventLog:
    """Appends events to ``log.jsonl``; a listener that may be called from several threads.

    Each line has ``time`` (UTC), ``run`` (name of the folder), ``event`` (``visited``, ``child_logged``, ...) and the
    event's fields. A write error (a full disk) ends the log, not the search.

    Args:
        path: the file; lines of earlier processes stay.
        failed: called once, with the reason, when logging has ended by an error.
    """

    def __init__(self, path: Path, failed: Callable[[str], None]) -> None:
        self.path = path
        self._failed = failed
        self._names: dict[type, str] = {}
        self._head = f'"run":{json.dumps(path.absolute().parent.name)},"event":"'
        self._second = (-1, "")
        self._lock = threading.Lock()
        self._file: int | None = None
        try:
            self._file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o666)
            self._end_last_line()
        except OSError as error:
            self._stop(error)

    def __call__(self, event: Event) -> None:
        """Log an event."""
        kind = type(event)
        name = self._names.get(kind)
        if name is None:
            name = self._names[kind] = _CAPITAL.sub("_", kind.__name__).lower()
        self._write(name, vars(event))

    def started(self, **what: object) -> None:
        """Log that this process has started."""
        self._write("started", {"pid": os.getpid(), "host": socket.gethostname(), **what})

    def ended(self, **what: object) -> None:
        """Log that this process ends, and close the file."""
        self._write("ended", {"pid": os.getpid(), "host": socket.gethostname(), **what})
        self.close()

    def close(self) -> None:
        """Close the file; nothing more is logged."""
        with self._lock:
            if self._file is not None:
                os.close(self._file)
                self._file = None

    def _write(self, name: str, fields: dict[str, Any]) -> None:
        try:
            text = _ENCODE(fields)
        except ValueError:  # JSON has no NaN
            text = _ENCODE(_finite(fields))
        error = None
        with self._lock:
            if self._file is None:
                return
            comma = "," if len(text) > 2 else ""  # noqa: PLR2004 - an event without fields
            line = f'{{"time":"{self._now()}",{self._head}{name}"{comma}{text[1:]}\n'
            data = hide_secrets(line).encode()
            try:
                # One call for the whole line, so that a killed process leaves whole lines only.
                if os.write(self._file, data) < len(data):
                    error = OSError(0, "no space is left")
            except OSError as caught:
                error = caught
        if error is not None:
            self._stop(error)

    def _now(self) -> str:
        """Return the time in UTC, to the millisecond; the caller holds the lock."""
        now = time.time()
        second = int(now)
        if second != self._second[0]:
            self._second = (second, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second)))
        return f"{self._second[1]}.{int((now - second) * 1000):03d}Z"

    def _end_last_line(self) -> None:
        """Remove an incomplete last line of an earlier process, or the zeros that a power failure may leave of it."""
        if self._file is None:
            return
        end = size = os.fstat(self._file).st_size
        while end > 0:
            start = max(0, end - _BLOCK)
            found = os.pread(self._file, end - start, start).rfind(b"\n")
            end = start if found < 0 else start + found + 1
            if found >= 0:
                break
        if end < size:
            os.ftruncate(self._file, end)

    def _stop(self, error: OSError) -> None:
        self.close()
        self._failed(f"{self.path} cannot be written: {error.strerror}; events are no longer logged there.")


def _finite(value: object) -> object:
    """Return a JSON value with None in place of NaN and infinite numbers."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
