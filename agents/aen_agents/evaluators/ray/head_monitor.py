"""Detects that a cluster's head is lost. By default Ray then ends the process after 60 seconds, without a summary."""

import threading
import time
from collections.abc import Callable

from aen_agents.evaluators.ray import auth
from aen_agents.evaluators.ray.probe import ClusterEndpoint, probe

# Interval and timeout of probes, and the silence after which the head is lost: well below Ray's 60 seconds.
PROBE_SECONDS = 5.0
ANSWER_SECONDS = 8.0
SILENCE_SECONDS = 25.0
# At least this many probes in a row must have failed: this process may have been suspended for a while.
FAILED_PROBES = 3


class HeadMonitor:
    """Probes a cluster's head regularly, from a thread of its own, and reports once if it is lost.

    A head that has never answered is not reported: Ray then reaches it in a way that a probe cannot use.

    Args:
        address: of the head, as `ClusterEndpoint.parse` takes it; any other is not monitored.
        lost: is called from the thread with the seconds since the head answered last.
    """

    def __init__(self, address: str, lost: Callable[[float], None]) -> None:
        self._endpoint = ClusterEndpoint.parse(address)
        self._lost = lost
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread."""
        if self._thread is None and self._endpoint is not None and not self._stop.is_set():
            self._thread = threading.Thread(
                target=self._run, args=(self._endpoint,), name="aen-head-monitor", daemon=True
            )
            self._thread.start()

    def close(self) -> None:
        """Stop the thread; waits for a probe that is in progress."""
        self._stop.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(ANSWER_SECONDS)

    def _run(self, endpoint: ClusterEndpoint) -> None:
        answered_before, last_answer, failures = False, 0.0, 0
        while not self._stop.is_set():
            started = time.monotonic()
            if _answers(endpoint):
                answered_before, last_answer, failures = True, time.monotonic(), 0
            elif answered_before:
                failures += 1
                silence = time.monotonic() - last_answer
                if failures >= FAILED_PROBES and silence >= SILENCE_SECONDS and not self._stop.is_set():
                    self._lost(silence)
                    return
            self._stop.wait(max(started + PROBE_SECONDS - time.monotonic(), 0.0))


def _answers(endpoint: ClusterEndpoint) -> bool:
    try:
        return probe(endpoint, ANSWER_SECONDS, auth.current_token()) in ("ray", "token")
    except OSError:
        return False
