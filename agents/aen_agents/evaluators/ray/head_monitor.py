"""Whether a cluster's head is still there. Where it is not, Ray ends this whole process after 60 seconds, unasked."""

import threading
import time
from collections.abc import Callable

from aen_agents.evaluators.ray import auth
from aen_agents.evaluators.ray.probe import Door, knock

# How often it is asked, how long it may think, and for how long it may say nothing: well below Ray's 60 seconds.
EVERY_SECONDS = 5.0
ANSWER_SECONDS = 8.0
SILENCE_SECONDS = 25.0
# So often at least it must have been asked in vain: this process itself may have been stopped for a while.
MISSES = 3


class Pulse:
    """Asks a cluster's head again and again whether it is there, in a thread of its own, and tells once if it is not.

    A head that has never answered is left alone: how Ray reaches it is then no way for us.

    Args:
        address: of the head, as `Door` reads it; what is no address is not watched.
        lost: is told, from that thread, for how many seconds nothing was heard.
    """

    def __init__(self, address: str, lost: Callable[[float], None]) -> None:
        self._door = Door.at(address)
        self._lost = lost
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin."""
        if self._thread is None and self._door is not None and not self._stop.is_set():
            self._thread = threading.Thread(target=self._watch, args=(self._door,), name="aen-pulse", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """End; waits for an answer that is under way."""
        self._stop.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(ANSWER_SECONDS)

    def _watch(self, door: Door) -> None:
        known, heard, misses = False, 0.0, 0
        while not self._stop.is_set():
            asked = time.monotonic()
            if _answers(door):
                known, heard, misses = True, time.monotonic(), 0
            elif known:
                misses += 1
                silence = time.monotonic() - heard
                if misses >= MISSES and silence >= SILENCE_SECONDS and not self._stop.is_set():
                    self._lost(silence)
                    return
            self._stop.wait(max(asked + EVERY_SECONDS - time.monotonic(), 0.0))


def _answers(door: Door) -> bool:
    try:
        return knock(door, ANSWER_SECONDS, auth.token_to_show()) in ("ray", "token")
    except OSError:
        return False
