"""Stopping a thread from another one: the search is stopped by its heartbeat."""

import ctypes
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class StoppedByHeartbeat(KeyboardInterrupt):
    """The heartbeat stops the search, which handles it like Ctrl-C."""


@contextmanager
def stoppable() -> Iterator[Callable[[], None]]:
    """Make this thread stoppable inside the block.

    In the main thread it is a signal (SIGUSR2), which also ends waiting; another thread stops at its next step in
    Python.

    Yields:
        A function that raises `StoppedByHeartbeat` in this thread, once; other threads call it.
    """
    thread, stopped = threading.get_ident(), threading.Event()
    if threading.current_thread() is not threading.main_thread():

        def stop() -> None:
            if not stopped.is_set():
                stopped.set()
                error = ctypes.py_object(StoppedByHeartbeat)
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), error)

        yield stop
        return

    def handle(number: int, frame: object) -> None:
        del number, frame
        if not stopped.is_set():
            stopped.set()
            raise StoppedByHeartbeat

    before = signal.signal(signal.SIGUSR2, handle)
    try:
        yield lambda: signal.pthread_kill(thread, signal.SIGUSR2)
    finally:
        signal.signal(signal.SIGUSR2, before)
