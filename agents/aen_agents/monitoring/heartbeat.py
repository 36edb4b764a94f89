"""A daemon thread that calls a function about once a second."""

import threading
from collections.abc import Callable
from contextlib import suppress

SECONDS = 1.0
_PATIENCE = 5.0


class Heartbeat:
    """Calls a function periodically from a thread of its own.

    Args:
        beat: the function; its exceptions are ignored, since monitoring must not end a search.
        seconds: time between two calls.
    """

    def __init__(self, beat: Callable[[], None], seconds: float = SECONDS) -> None:
        self._beat = beat
        self._seconds = seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="aen-heartbeat", daemon=True)
        self._thread.start()

    def stop(self) -> bool:
        """Stop calling; return whether the last call has returned, which a hanging disk can prevent."""
        self._stop.set()
        self._thread.join(_PATIENCE)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while not self._stop.wait(self._seconds):
            with suppress(Exception):
                self._beat()
