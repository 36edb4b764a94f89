"""PoolEvaluator: trains children in processes of this machine, and never in the process that serves requests."""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from aen.children.spec import ChildSpec
from aen.errors import AenError, SpecError
from aen.evaluators import Activity, Evaluator
from aen.evaluators.processes import WorkerPool
from aen.results.evaluation import Evaluation
from aen.results.store import ResultStore

POLL_SECONDS = 0.2  # between looks for the results of other processes
# Children that take less are sent to a worker several at a time: so many seconds of work, and at most so many children.
_CALL_SECONDS, _MOST_IN_CALL = 0.1, 64
_CALLS_PER_WORKER = 2  # one that is worked on, and one that waits
_SMOOTHING = 0.3  # weight of the newest call in the mean time of a child
# Children that take about the same time: kind, data set, images and epochs.
_Likeness = tuple[str, str, int, float]


class PoolEvaluator(Evaluator):
    """Evaluates specs in worker processes; `submit` only looks up, takes leases and puts specs into a queue.

    Results equal those of a `LocalEvaluator` with as many threads, bit for bit on a CPU. Unlike that one it remembers
    no results, of which a service sees millions: the store has them.

    Args:
        store: where results are kept and looked up.
        workers: number of processes.
        threads: CPU threads of each.
        weights_folder: where weights go when they are kept, and where those of parents are found. A child whose
            parent's weights are missing fails: `submit` trains no parents.
        kept: is told the key of a child whose weights were written.
    """

    def __init__(
        self,
        store: ResultStore,
        *,
        workers: int,
        threads: int = 1,
        weights_folder: Path | None = None,
        kept: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.store = store
        self._folder, self._kept = weights_folder, kept
        self.workers = workers
        self.threads = threads
        self._pool = WorkerPool(workers)
        self._lock = threading.RLock()
        self._futures: dict[str, Future[Evaluation]] = {}
        self._keep: set[str] = set()  # those of them whose weights are wanted
        self._queue: deque[ChildSpec] = deque()
        self._elsewhere: dict[str, ChildSpec] = {}  # that other processes train
        self._calls: dict[int, int] = {}  # children of each call that a worker has, by an arbitrary number
        self._seconds: dict[_Likeness, float] = {}  # mean time of a child
        self._shortest = _CALL_SECONDS
        self._trained = self._failed = self._numbers = 0
        self._closed = threading.Event()
        self._poller = threading.Thread(target=self._poll, name="aen-other-results", daemon=True)
        self._poller.start()

    @property
    def parallelism(self) -> int:
        """The number of workers."""
        return self.workers

    @property
    def capacity(self) -> int:
        """As many as two calls of each worker hold, and as many again."""
        return 2 * _CALLS_PER_WORKER * self.workers * _in_call(self._shortest)

    @property
    def trained(self) -> int:
        """How many children it has trained, not counting those it looked up."""
        return self._trained

    @property
    def weights_folder(self) -> Path | None:
        """Where weights are kept."""
        return self._folder

    def start(self) -> None:
        """Start the workers."""
        self._pool.start()

    def activity(self) -> Activity:
        """Return the counts. It takes no lock, which `submit` holds while it waits for the store."""
        running = min(sum(list(self._calls.values())), self.workers)
        return Activity(self.workers, running, max(len(self._futures) - running, 0), self._trained, self._failed)

    def submit(self, specs: Sequence[ChildSpec], *, keep_weights: bool = False) -> list["Future[Evaluation]"]:
        """Evaluate the specs; see `aen.evaluators.Evaluator`. Thread-safe; does not wait for training.

        Raises:
            AenError: weights are to be kept without a folder or of a child in flight, or the store cannot be used.
        """
        if keep_weights and self._folder is None:
            raise SpecError("keep_weights needs an evaluator with a weights_folder.")
        with self._lock:
            found = {spec.key: self._futures[spec.key] for spec in specs if spec.key in self._futures}
            if keep_weights and not found.keys() <= self._keep:
                raise SpecError("keep_weights: a child is in flight without weights; submit it again when it is done.")
            new = list({spec.key: spec for spec in specs if spec.key not in found}.values())
            self._keep |= {spec.key for spec in new if keep_weights}
            for spec in new:
                found[spec.key] = self._futures[spec.key] = Future()
            try:
                self._claim(new)
            except BaseException:
                for spec in new:
                    self._forget(spec.key)
                raise
            self._fill()
        return [found[spec.key] for spec in specs]

    def close(self) -> None:
        """End the workers, give back what they had not finished, and close the store."""
        self._closed.set()
        self._pool.close()
        self._poller.join()
        self._release(list(self._futures))
        self.store.close()

    def _claim(self, specs: Sequence[ChildSpec]) -> None:
        """Answer what is known, queue what is now this process's to train, and watch the rest."""
        if not specs:
            return
        claims = self.store.claim_many([spec.key for spec in specs], again=self._keep)
        for spec in specs:
            claim = claims[spec.key]
            known = self._usable(claim.evaluation, spec)
            if known is not None:
                if claim.mine:
                    self._release([spec.key])
                self._finish(spec.key, known)
            elif claim.mine:
                self._elsewhere.pop(spec.key, None)
                self._queue.append(spec)
            else:
                self._elsewhere[spec.key] = spec

    def _usable(self, known: Evaluation | None, spec: ChildSpec) -> Evaluation | None:
        """Return a stored result, unless its weights are wanted and not there."""
        if known is None or spec.key not in self._keep or known.status != "ok" or self._folder is None:
            return known
        name = f"{spec.key}.safetensors"
        if not (self._folder / name).is_file():
            return None
        if known.weights is None:  # a search that shares the store needed them no more
            known = replace(known, weights=name)
            self.store.commit(known, spec)
        return known

    def _poll(self) -> None:
        while not self._closed.wait(POLL_SECONDS):
            with self._lock:
                specs = list(self._elsewhere.values())
                try:
                    self._claim(specs)
                except AenError as error:
                    for spec in specs:
                        self._fail(spec.key, error)
                self._fill()

    def _fill(self) -> None:
        """Give the workers what they can take."""
        while self._queue and len(self._calls) < _CALLS_PER_WORKER * self.workers:
            first = self._queue[0]
            size = min(
                _in_call(self._seconds.get(_likeness(first), _CALL_SECONDS)), -(-len(self._queue) // self.workers)
            )
            self._call(self._take(first, size))

    def _take(self, first: ChildSpec, size: int) -> list[ChildSpec]:
        """Take children from the front of the queue with the data set of the first one; weights of all or none."""
        taken: list[ChildSpec] = []
        keep = first.key in self._keep
        while (
            self._queue
            and len(taken) < size
            and self._queue[0].data == first.data
            and (self._queue[0].key in self._keep) is keep
        ):
            taken.append(self._queue.popleft())
        return taken

    def _call(self, specs: list[ChildSpec]) -> None:
        self._numbers += 1
        number = self._numbers
        self._calls[number] = len(specs)
        trained = self._pool.submit(
            specs,
            {
                "size": 1,
                "device": "cpu",
                "threads": self.threads,
                "weights_folder": self._folder if specs[0].key in self._keep else None,
                "parents_folder": self._folder,
                "debug": False,
            },
        )
        trained.add_done_callback(partial(self._receive, number, specs))

    def _receive(self, number: int, specs: list[ChildSpec], trained: "Future[list[Evaluation]]") -> None:
        """Store what a worker has trained; of children that failed together, each is tried alone."""
        try:
            evaluations = trained.result()
            self.store.commit_many(list(zip(evaluations, specs, strict=True)))
        except BaseException as error:  # noqa: BLE001 - it is raised by the futures
            with self._lock:
                self._calls.pop(number, None)
                if len(specs) > 1 and not self._closed.is_set():
                    for spec in specs:
                        self._call([spec])
                    return
                self._release([spec.key for spec in specs])
                self._failed += len(specs)
                for spec in specs:
                    self._fail(spec.key, error)
                self._fill()
            return
        with self._lock:
            self._calls.pop(number, None)
            self._trained += len(specs)
            likeness, seconds = _likeness(specs[0]), sum(e.seconds for e in evaluations) / len(specs)
            mean = self._seconds.get(likeness, seconds)
            self._seconds[likeness] = mean + _SMOOTHING * (seconds - mean)
            self._shortest = min(self._seconds.values())
            self._fill()  # before the answers: the workers shall not wait for those who read them
        for evaluation in evaluations:
            if evaluation.weights is not None:
                self._kept(evaluation.key)
        with self._lock:
            for evaluation in evaluations:
                self._finish(evaluation.key, evaluation)

    def _release(self, keys: Sequence[str]) -> None:
        with suppress(AenError):  # leases expire
            self.store.release_many(keys)

    def _finish(self, key: str, evaluation: Evaluation) -> None:
        future = self._forget(key)
        if future is not None:
            future.set_result(evaluation)

    def _forget(self, key: str) -> "Future[Evaluation] | None":
        self._elsewhere.pop(key, None)
        self._keep.discard(key)
        return self._futures.pop(key, None)

    def _fail(self, key: str, error: BaseException) -> None:
        future = self._forget(key)
        if future is not None:
            future.set_exception(error)


def _in_call(seconds: float) -> int:
    return max(1, min(_MOST_IN_CALL, int(_CALL_SECONDS / max(seconds, 1e-6))))


def _likeness(spec: ChildSpec) -> _Likeness:
    return spec.kind, spec.data.name, spec.data.train, float(spec.training.epochs)
