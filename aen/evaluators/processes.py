"""WorkerPool: processes on this machine that train children in parallel. Their program is `aen.evaluators.worker`."""

import pickle
import queue
import signal
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from aen._worker_process import WorkerProcess
from aen.children.spec import ChildSpec
from aen.errors import AenError
from aen.evaluators.base import InTraining
from aen.evaluators.pickling import pickled
from aen.results.evaluation import Evaluation

RETRIES = 1
_SERVE = "aen.evaluators.worker:serve"


class WorkerError(AenError):
    """A worker process ended before its children were trained."""


@dataclass(frozen=True)
class _Call:
    """A call of `aen.evaluators.worker.train` in a worker."""

    future: "Future[list[Evaluation]]"
    name: str
    children: int
    content: bytes


class WorkerPool:
    """Processes that train children; started when the first work comes.

    Args:
        workers: how many.

    Children whose worker dies (killed, out of memory) are given to a new worker once more. Workers end with this
    process, in whatever way it ends.
    """

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._calls: queue.SimpleQueue[_Call | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._running: set[WorkerProcess] = set()
        self._calls_of: dict[int, tuple[_Call, float]] = {}  # what each worker is training, and since when
        self._lock = threading.Lock()
        self._closed = False

    @property
    def pids(self) -> set[int]:
        """Numbers of the processes that are running."""
        with self._lock:
            return {worker.process.pid for worker in self._running if worker.is_alive()}

    def in_training(self) -> tuple[InTraining, ...]:
        """Return what each worker is training; may be called from any thread."""
        calls, now = dict(self._calls_of), time.monotonic()
        found = []
        for number in range(len(self._threads)):
            call, since = calls.get(number, (None, now))
            name, children = (None, 0) if call is None else (call.name, call.children)
            found.append(InTraining(f"worker-{number}", None, name, children, now - since))
        return tuple(found)

    def start(self) -> None:
        """Start the workers now instead of with the first work."""
        with self._lock:
            self._check()
            for number in range(len(self._threads), self.workers):
                # One thread for each worker: a worker ends with the thread that started it.
                thread = threading.Thread(target=self._serve, args=(number,), name="aen-worker", daemon=True)
                self._threads.append(thread)
                thread.start()

    def submit(self, specs: Sequence[ChildSpec], options: dict[str, Any]) -> "Future[list[Evaluation]]":
        """Train these specs together in one worker; `options` are those of `aen.evaluators.worker.train`."""
        future: Future[list[Evaluation]] = Future()
        try:
            self.start()
            call = _Call(future, specs[0].name, len(specs), pickled((list(specs), options)))
        except Exception as error:  # noqa: BLE001 - closed meanwhile, no thread can be started, or it cannot be pickled
            future.set_exception(error)
            return future
        with self._lock:
            closed = self._closed
            if not closed:
                self._calls.put(call)
        if closed:
            future.set_exception(_closed())
        return future

    def close(self) -> None:
        """End the workers, whatever they are doing."""
        with self._lock:
            self._closed = True
            for worker in self._running:
                worker.process.kill()
            for _ in self._threads:
                self._calls.put(None)
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join()

    def _check(self) -> None:
        if self._closed:
            raise _closed()

    def _serve(self, number: int) -> None:
        """Keep one worker, and give it one call after the other."""
        # Ctrl-C is for the process that the user started, which ends its workers. They inherit this mask.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        worker: WorkerProcess | None = None
        try:
            with suppress(OSError, WorkerError):  # the first call reports it
                worker = self._new_worker()
            while (call := self._calls.get()) is not None:
                self._calls_of[number] = call, time.monotonic()
                worker = self._run(call, worker)
                self._calls_of.pop(number, None)
        finally:
            self._end(worker)

    def _run(self, call: _Call, worker: WorkerProcess | None) -> WorkerProcess | None:
        """Carry out a call; return the worker for the next one."""
        if not call.future.set_running_or_notify_cancel():
            return worker
        evaluations: list[Evaluation] | None = None
        error: Exception | None = None
        try:
            for _ in range(1 + RETRIES):
                if worker is None or not worker.is_alive():
                    self._end(worker)
                    worker = None
                    worker = self._new_worker()
                try:
                    evaluations, error = worker.ask(call.content)
                    break
                except (OSError, EOFError, pickle.UnpicklingError):
                    self._end(worker)
                    worker = None
            else:
                error = WorkerError(
                    f"a worker process died twice while it trained {call.name} (killed, or out of "
                    "memory); use fewer workers or a smaller population."
                )
        except Exception as other:  # noqa: BLE001 - closed meanwhile, or no process can be started
            error = other
        if error is not None or evaluations is None:
            call.future.set_exception(_closed() if self._closed else error or WorkerError("a worker gave no result."))
        else:
            call.future.set_result(evaluations)
        return worker

    def _new_worker(self) -> WorkerProcess:
        with self._lock:
            self._check()
            worker = WorkerProcess(_SERVE)
            self._running.add(worker)
        return worker

    def _end(self, worker: WorkerProcess | None) -> None:
        if worker is not None:
            worker.end()
            with self._lock:
                self._running.discard(worker)


def _closed() -> WorkerError:
    return WorkerError("the evaluator is closed; make a new one.")
