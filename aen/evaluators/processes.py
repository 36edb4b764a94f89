"""WorkerPool: processes on this machine that train children in parallel."""

import functools
import os
import signal
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

from aen.children.spec import ChildSpec
from aen.data.dataset import Dataset, load_dataset
from aen.data.spec import DataSpec
from aen.errors import AenError
from aen.results.evaluation import Evaluation
from aen.training import train_child, train_population

RETRIES = 1
PARENT_SECONDS = 1.0


class WorkerError(AenError):
    """A worker process ended before its children were trained."""


def train(
    specs: Sequence[ChildSpec],
    dataset: Dataset,
    *,
    size: int,
    device: str,
    threads: int,
    weights_folder: Path | None,
    parents_folder: Path | None = None,
    debug: bool = False,
    micro_batches: int = 1,
) -> list[Evaluation]:
    """Train children together: each alone if `size` is 1, otherwise as a population that is filled up to `size`."""
    where: dict[str, Any] = {
        "device": device,
        "threads": threads,
        "weights_folder": weights_folder,
        "micro_batches": micro_batches,
    }
    if size > 1:
        return train_population(specs, dataset, size=size, **where)
    return [train_child(spec, dataset, parents_folder=parents_folder, debug=debug, **where) for spec in specs]


@functools.lru_cache(maxsize=4)
def _dataset(spec: DataSpec, device: str) -> Dataset:
    return load_dataset(spec).to(device)


def _start_worker() -> None:
    # Ctrl-C is for the process that the user started; it ends its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(os.getppid(),), name="aen-parent-watch", daemon=True).start()


def _end_with(parent: int) -> None:
    """End this process when its parent process has ended, in whatever way: its results could not be delivered."""
    while os.getppid() == parent:
        time.sleep(PARENT_SECONDS)
    os._exit(1)


def _ready() -> None:
    """Do nothing: submitted to start a worker."""


def _train_in_worker(specs: list[ChildSpec], options: dict[str, Any]) -> list[Evaluation]:
    return train(specs, _dataset(specs[0].data, options["device"]), **options)


class WorkerPool:
    """Processes that train children; started when the first work comes.

    Args:
        workers: how many.

    A worker that dies (killed, out of memory) takes its children down with it; they are given to a new pool once more.
    """

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._executor: Any = None
        self._lock = threading.Lock()
        self._closed = False

    def start(self) -> None:
        """Start the workers now instead of with the first work."""
        executor = self._running()
        for _ in range(self.workers):
            executor.submit(_ready)

    def submit(self, specs: Sequence[ChildSpec], options: dict[str, Any]) -> "Future[list[Evaluation]]":
        """Train these specs together in one worker; `options` are those of `train`."""
        outer: Future[list[Evaluation]] = Future()
        self._try(outer, list(specs), options, RETRIES)
        return outer

    def _try(
        self, outer: "Future[list[Evaluation]]", specs: list[ChildSpec], options: dict[str, Any], retries: int
    ) -> None:
        def done(inner: "Future[list[Evaluation]]") -> None:
            if inner.cancelled():
                outer.cancel()
                return
            error = inner.exception()
            if isinstance(error, BrokenProcessPool):
                self._forget(executor)
                if retries and not self._closed:
                    self._try(outer, specs, options, retries - 1)
                    return
                error = WorkerError(
                    f"a worker process died twice while it trained {specs[0].name} (killed, or out of "
                    "memory); use fewer workers or a smaller population."
                )
            if error is not None:
                outer.set_exception(error)
            else:
                outer.set_result(inner.result())

        try:
            executor = self._running()
            inner = executor.submit(_train_in_worker, specs, options)
        except BrokenProcessPool:  # it broke under others' work a moment ago
            self._forget(executor)
            self._try(outer, specs, options, retries)
        except (RuntimeError, OSError, WorkerError) as error:  # closed meanwhile, or no process can be started
            outer.set_exception(error)
        else:
            inner.add_done_callback(done)

    def _running(self) -> Any:  # noqa: ANN401 - loky has no types
        with self._lock:
            if self._closed:
                raise WorkerError("the evaluator is closed; make a new one.")
            if self._executor is None:
                # loky, not the standard library's pool: it does not import the user's main script in every worker.
                from joblib.externals.loky import ProcessPoolExecutor

                self._executor = ProcessPoolExecutor(max_workers=self.workers, timeout=None, initializer=_start_worker)
            return self._executor

    def _forget(self, executor: Any) -> None:  # noqa: ANN401 - loky has no types
        with self._lock:
            if self._executor is executor:
                self._executor = None

    def close(self) -> None:
        """End the workers, whatever they are doing."""
        with self._lock:
            executor, self._executor, self._closed = self._executor, None, True
        if executor is not None:
            executor.shutdown(wait=True, kill_workers=True)
