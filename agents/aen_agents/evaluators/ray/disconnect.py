"""Leaving a cluster that is lost: Ray may wait for its head forever, and no search shall."""

import atexit
import os
import sys
import threading
from contextlib import suppress

from aen_agents.evaluators.ray.cluster import disconnect

LEAVE_SECONDS = 5.0
_EXIT_ERROR = 2


def abandon() -> None:
    """Leave a cluster that is lost.

    Where Ray has not let go within 5 seconds it would not at the end of this process either, so that this process ends
    without asking Ray then, with status 2. (Left to Ray it would be ended after a minute, with status 1.)
    """
    leaving = threading.Thread(target=disconnect, name="aen-leaving", daemon=True)
    leaving.start()
    leaving.join(LEAVE_SECONDS)
    if leaving.is_alive():
        sys.excepthook = sys.__excepthook__  # Ray's tells the head of every error
        atexit.register(_end)  # what is registered last goes first: before Ray's own


def _end() -> None:
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):
            stream.flush()
    os._exit(_EXIT_ERROR)
