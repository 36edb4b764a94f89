"""CellPool: processes that run cells of a comparison; they end with this one, in whatever way it ends."""

import pickle
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

import torch

from aen._typing import JsonDict
from aen._worker_process import WorkerProcess
from aen.errors import AenError
from aen_agents.compare.plan import Cell
from aen_agents.compare.runs import FailedRunError, run_cell

_SERVE = "aen_agents.compare.processes:serve"


class LostProcessError(AenError):
    """A process ended before its cell was run."""


class CellPool:
    """Processes that run cells; started when the first cells come.

    Args:
        workers: how many.
    """

    def __init__(self, workers: int) -> None:
        # One thread for each process: a process ends with the thread that started it.
        self._threads = ThreadPoolExecutor(workers, "aen-compare", _ignore_interrupts)
        self._mine = threading.local()
        self._running: list[WorkerProcess] = []
        self._lock = threading.Lock()
        self._closed = False

    def submit(self, cell: Cell, folder: Path | None) -> "Future[list[JsonDict]]":
        """Run a cell in a process; arguments and result are those of `run_cell`.

        The future has a `LostProcessError` if the process ended before, and a `FailedRunError` if the agent failed.
        """
        return self._threads.submit(self._run, cell, folder)

    def close(self) -> None:
        """End the processes, whatever they are doing."""
        with self._lock:
            self._closed = True
            for worker in self._running:
                worker.process.kill()
        self._threads.shutdown(cancel_futures=True)
        for worker in self._running:
            worker.end()

    def _run(self, cell: Cell, folder: Path | None) -> list[JsonDict]:
        try:
            lines, error = self._worker().ask(pickle.dumps((cell, folder)))
        except (OSError, EOFError, pickle.UnpicklingError) as gone:
            raise LostProcessError("a process of the comparison ended.") from gone
        if error is not None:
            raise FailedRunError(error)
        return list(lines)

    def _worker(self) -> WorkerProcess:
        """Return the process of this thread."""
        worker: WorkerProcess | None = getattr(self._mine, "worker", None)
        if worker is None:
            with self._lock:
                if self._closed:
                    raise LostProcessError("the comparison was ended.")
                worker = self._mine.worker = WorkerProcess(_SERVE)
                self._running.append(worker)
        return worker


@contextmanager
def cell_pool(workers: int) -> Iterator[CellPool]:
    """Provide processes; the end of the block, an error or an interrupt too, ends them at once."""
    pool = CellPool(workers)
    try:
        yield pool
    finally:
        pool.close()


def serve(connection: Connection) -> None:
    """Run the cells that come over a connection, in a process of a pool, until the connection ends."""
    torch.set_num_threads(1)
    while True:
        try:
            content = connection.recv_bytes()
        except EOFError:
            return
        answer: tuple[list[JsonDict] | None, str | None]
        try:
            cell, folder = pickle.loads(content)  # noqa: S301 - from the process that started this one
            answer = run_cell(cell, folder), None
        except Exception as error:  # noqa: BLE001 - the future raises it
            answer = None, str(error) if isinstance(error, AenError) else f"{type(error).__name__}: {error}"
        connection.send(answer)


def _ignore_interrupts() -> None:
    # Ctrl-C is for the thread that waits, which ends the processes. They inherit this mask.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
