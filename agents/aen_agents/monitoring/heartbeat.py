"""Heartbeat: a thread that does something about every second and never outlives its process."""

import threading
from collections.abc import Callable
from contextlib import suppress

SECONDS = 1.0
_PATIENCE = 5.0


class Heartbeat:
    """Calls a function again and again, beside whatever else the process does.

    Args:
        beat: is called; what it raises is dropped, for who watches must not disturb.
        seconds: between two calls.
    """

    def __init__(self, beat: Callable[[], None], seconds: float = SECONDS) -> None:
        self._beat = beat
        self._seconds = seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="aen-heartbeat", daemon=True)
        self._thread.start()

    def stop(self) -> bool:
        """Stop calling; say whether the last call came back, which a disk that hangs can prevent."""
        self._stop.set()
        self._thread.join(_PATIENCE)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while not self._stop.wait(self._seconds):
            with suppress(Exception):
                self._beat()
