"""Detects that a cluster's head, or the raylet on this machine, is lost.

By default Ray ends the process 60 seconds after the head is lost, without a summary. A raylet that ends while workers
start is not noticed by Ray at all.
"""

import threading
import time
from collections.abc import Callable

from aen._processes import Process
from aen_agents.evaluators.ray import auth
from aen_agents.evaluators.ray.probe import ClusterEndpoint, probe

# Interval and timeout of probes, and the silence after which the head is lost: well below Ray's 60 seconds.
PROBE_SECONDS = 5.0
ANSWER_SECONDS = 8.0
SILENCE_SECONDS = 25.0
# At least this many probes in a row must have failed: this process may have been suspended for a while.
FAILED_PROBES = 3
# Interval of looking for the raylet.
RAYLET_SECONDS = 1.0


class HeadMonitor:
    """Probes a cluster's head regularly, from a thread of its own, and reports once if it or the raylet is lost.

    A head that has never answered is not reported: Ray then reaches it in a way that a probe cannot use.

    Args:
        address: of the head, as `ClusterEndpoint.parse` takes it; any other is not monitored.
        lost: is called from the thread with what is lost, as a clause.
        raylet: through which this process is connected; None: it is not monitored.
    """

    def __init__(self, address: str, lost: Callable[[str], None], raylet: Process | None = None) -> None:
        self._endpoint = ClusterEndpoint.parse(address)
        self._address = address
        self._lost = lost
        self._raylet = raylet
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread."""
        watched = self._endpoint is not None or self._raylet is not None
        if self._thread is None and watched and not self._stop.is_set():
            self._thread = threading.Thread(target=self._run, name="aen-head-monitor", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Stop the thread; waits for a probe that is in progress."""
        self._stop.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(ANSWER_SECONDS)

    def _run(self) -> None:
        answered_before, last_answer, failures, next_probe = False, 0.0, 0, 0.0
        while not self._stop.is_set():
            if self._raylet is not None and self._raylet.is_alive() is False:
                self._report(f"its raylet on this machine (process {self._raylet.pid}) has ended")
                return
            if self._endpoint is not None and time.monotonic() >= next_probe:
                next_probe = time.monotonic() + PROBE_SECONDS
                if _answers(self._endpoint):
                    answered_before, last_answer, failures = True, time.monotonic(), 0
                elif answered_before:
                    failures += 1
                    silence = time.monotonic() - last_answer
                    if failures >= FAILED_PROBES and silence >= SILENCE_SECONDS:
                        self._report(f"its head, {self._address}, has not answered for {silence:.0f} s")
                        return
            self._stop.wait(RAYLET_SECONDS if self._endpoint is None else min(RAYLET_SECONDS, PROBE_SECONDS))

    def _report(self, what: str) -> None:
        if not self._stop.is_set():
            self._lost(what)


def _answers(endpoint: ClusterEndpoint) -> bool:
    try:
        return probe(endpoint, ANSWER_SECONDS, auth.current_token()) in ("ray", "token")
    except OSError:
        return False
