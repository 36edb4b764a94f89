"""RayEvaluator: trains children on the actors of a Ray cluster."""

import threading
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from aen.children.spec import ChildSpec
from aen.errors import SpecError
from aen.evaluators.base import Activity
from aen.evaluators.cache import CachingEvaluator, EvaluationCache
from aen.results.evaluation import Evaluation
from aen_agents.evaluators.ray import cluster
from aen_agents.evaluators.ray.dispatcher import Dispatcher
from aen_agents.evaluators.ray.futures import after
from aen_agents.evaluators.ray.head_monitor import HeadMonitor
from aen_agents.evaluators.ray.internals import raylet_process
from aen_agents.evaluators.ray.protocol import Trainer
from aen_agents.evaluators.ray.resources import ClusterError
from aen_agents.evaluators.ray.settings import Settings, check_positive
from aen_agents.evaluators.ray.surroundings import report_loss
from aen_agents.evaluators.ray.work_units import cut_units
from aen_agents.evaluators.ray.worker import ChildTrainer
from aen_agents.events import Listener, Notice

if TYPE_CHECKING:
    from aen.results.store import ResultStore

# Interval of looking for the results of other processes.
POLL_SECONDS = 0.5


@dataclass
class _InFlight:
    """A spec that is being evaluated.

    Attributes:
        future: of its evaluation.
        keeps_weights: whether its weights will be kept.
    """

    future: "Future[Evaluation]"
    keeps_weights: bool


class RayEvaluator(CachingEvaluator):
    """Evaluates specs on a Ray cluster: actors train them, and only this process writes the store.

    Results arrive in the order in which they finish, and equal those of a `LocalEvaluator` with as many threads (bit
    for bit on CPUs of one kind). Specs that are stored or being evaluated, by this process or by another one with the
    same store, are not trained again. Short trainings are sent to a worker several at a time.

    A child fails if it takes longer than `timeout`, if `retries` + 1 workers died of it, if it runs out of memory even
    alone and with micro-batches, or if it raises an error. Its evaluation then has the status ``failed``, and the
    others continue.

    Args:
        store: of results; None keeps them in memory.
        address: of the cluster; see `aen_agents.evaluators.ray.cluster.connect`.
        connect_timeout: seconds to wait for the cluster.
        token_file: file that contains the cluster's token.
        workers: number of actors; None: as many as fit.
        cpus_per_worker: cores that Ray reserves for each.
        gpus_per_worker: GPUs that Ray reserves for each, or a fraction of one; 0: children are trained on the CPU.
        threads: CPU threads per worker.
        population: number of children that a worker trains side by side.
        timeout: limit for a child in seconds; None: no limit.
        retries: number of times that a child is tried again after its worker died.
        weights_folder: for weights that are kept, and with those of parents.
        debug: check that every child that inherits weights computes the same function as its parent at first.
        listener: gets events about workers and children, from another thread.
        trainer: trains on the workers; default: `ChildTrainer`.
        resume: command that resumes the search, for the message about a lost cluster.

    Raises:
        ClusterError: the cluster cannot be reached, or lacks the resources for the workers.
        SpecError: an argument out of range.
    """

    def __init__(
        self,
        store: "ResultStore | None" = None,
        *,
        address: str | None = None,
        connect_timeout: float = 30.0,
        token_file: str | None = None,
        workers: int | None = None,
        cpus_per_worker: float = 1.0,
        gpus_per_worker: float = 0.0,
        threads: int = 1,
        population: int = 1,
        timeout: float | None = None,
        retries: int = 3,
        weights_folder: Path | None = None,
        debug: bool = False,
        listener: Listener | None = None,
        trainer: Trainer | None = None,
        resume: str | None = None,
    ) -> None:
        check_positive(workers=workers, population=population, threads=threads)
        check_positive(cpus_per_worker=cpus_per_worker, timeout=timeout)
        if gpus_per_worker < 0 or retries < 0:
            raise SpecError(f"gpus_per_worker is {gpus_per_worker} and retries {retries}; neither may be negative.")
        if gpus_per_worker > 1 and gpus_per_worker != int(gpus_per_worker):
            raise SpecError(f"gpus_per_worker is {gpus_per_worker}; Ray takes a fraction below 1 or a whole number.")
        self.population = population
        notice = None if listener is None else lambda text: listener(Notice(text))
        self._cache = EvaluationCache(store, weights_folder, notice)
        self._in_flight: dict[str, _InFlight] = {}
        self._other_processes: dict[str, tuple[ChildSpec, bool]] = {}
        self._lock = threading.RLock()
        self._resume = "" if resume is None else f" To resume: {resume}"
        if resume is not None and not cluster.starts_here(address):
            self._resume += ", once a cluster runs there again; for another cluster, add cluster.address=host:port."
        self._lost_head = False
        self._connected = cluster.connect(
            address, connect_timeout, workers=workers, cpus=cpus_per_worker, gpus=gpus_per_worker, token_file=token_file
        )
        try:
            self._head = cluster.head_address(address)
            self.workers = cluster.check_resources(workers, cpus_per_worker, gpus_per_worker)
            self._dispatcher = Dispatcher(
                Settings(
                    workers=self.workers,
                    starts=max(1, int(cluster.cluster_resources().cores)),
                    cpus=cpus_per_worker,
                    gpus=gpus_per_worker,
                    threads=threads,
                    device="cuda" if gpus_per_worker else "cpu",
                    timeout=timeout,
                    retries=retries,
                    weights_folder=None if weights_folder is None else weights_folder.resolve(),
                    debug=debug,
                ),
                trainer or ChildTrainer(device="cuda" if gpus_per_worker else "cpu", threads=threads),
                commit=self._cache.commit,
                finished=self._finish,
                failed=self._fail,
                listener=listener or (lambda _: None),
            )
        except BaseException:
            self._disconnect()
            raise
        self._head_monitor = HeadMonitor(self._head, self._cluster_lost, raylet_process())
        if self._connected:
            report_loss(self._cluster_lost)
        self._stop = threading.Event()
        self._poller: threading.Thread | None = None

    @property
    def trained(self) -> int:
        """Number of children trained, including failed ones, not counting those looked up."""
        return self._dispatcher.trained

    @property
    def parallelism(self) -> int:
        """Workers times population."""
        return self.workers * self.population

    @property
    def capacity(self) -> int:
        """Number of specs that keep every worker busy, with as many again in the queue."""
        return self.population * self._dispatcher.capacity * 2

    def start(self) -> None:
        """Start the workers now, so that they are ready when the first specs are submitted."""
        self._dispatcher.start()
        with self._lock:
            self._head_monitor.start()

    def activity(self) -> Activity:
        """Return the numbers of workers and children."""
        return self._dispatcher.activity()

    def submit(self, specs: Sequence[ChildSpec], *, keep_weights: bool = False) -> "list[Future[Evaluation]]":
        """Evaluate the specs; see `aen.evaluators.Evaluator`. Thread-safe; does not wait for training.

        Raises:
            SpecError: weights are to be kept but there is no folder for them.
            AenError: the evaluator has stopped: it was closed, or its cluster or store was lost.
        """
        self._cache.check_weights(keep_weights=keep_weights)
        self.start()
        keys = [spec.key for spec in specs]
        with self._lock:
            self._dispatcher.check()
            unique = dict(zip(keys, specs, strict=True))
            futures = self._look_up(unique, keep_weights=keep_weights)
            wanted = {key: spec for key, spec in unique.items() if key not in futures}
            futures |= self._launch(wanted, keep_weights=keep_weights)
        return [futures[key] for key in keys]

    def close(self) -> None:
        """Stop the actors, busy or not, release the leases of unfinished specs, and close the store.

        Futures that are not done raise a `WorkerError`.
        """
        self._stop.set()
        self._head_monitor.close()
        self._dispatcher.close()
        if self._poller is not None and self._poller is not threading.current_thread():
            self._poller.join()
        with self._lock:
            unfinished = list(self._in_flight)
        self._cache.close(unfinished)
        self._disconnect()

    def _disconnect(self) -> None:
        if self._connected:
            self._connected = False
            if self._lost_head:
                cluster.disconnect_lost()
            else:
                cluster.disconnect()

    def _look_up(self, specs: dict[str, ChildSpec], *, keep_weights: bool) -> "dict[str, Future[Evaluation]]":
        """Return the futures of specs that are known or being evaluated."""
        futures: dict[str, Future[Evaluation]] = {}
        for key, spec in specs.items():
            pending = self._in_flight.get(key)
            if pending is not None:
                kept = pending.keeps_weights or not keep_weights
                futures[key] = pending.future if kept else self._again(pending, spec)
        known = self._cache.known([key for key in specs if key not in futures], keep_weights=keep_weights)
        for key, evaluation in known.items():
            futures[key] = Future()
            futures[key].set_result(evaluation)
        return futures

    def _launch(self, specs: dict[str, ChildSpec], *, keep_weights: bool) -> "dict[str, Future[Evaluation]]":
        """Train specs that are neither known nor being evaluated."""
        futures: dict[str, Future[Evaluation]] = {key: Future() for key in specs}
        for future in futures.values():
            future.set_running_or_notify_cancel()  # no cancelling: several callers may share it
        self._in_flight |= {key: _InFlight(future, keep_weights) for key, future in futures.items()}
        try:
            claims = self._cache.claim(list(specs), keep_weights=keep_weights)
            mine = {key for key in specs if key not in claims or claims[key].mine}
            self._train_with_parents({key: specs[key] for key in specs if key in mine}, keep_weights=keep_weights)
            self._other_processes |= {key: (spec, keep_weights) for key, spec in specs.items() if key not in mine}
            if len(mine) < len(specs):
                self._start_poller()
        except BaseException:  # KeyboardInterrupt too: no lease and no unfinished future may remain
            for key in specs:
                self._in_flight.pop(key, None)
                self._other_processes.pop(key, None)
            self._cache.release(specs)
            raise
        return futures

    def _train_with_parents(self, specs: dict[str, ChildSpec], *, keep_weights: bool) -> None:
        """Train specs; those whose parents' weights are damaged or missing, after these were trained again."""
        parents = self._cache.parents_to_train(specs.values())
        self._train([(k, spec) for k, spec in specs.items() if spec.parent not in parents], keep_weights=keep_weights)
        again = self.submit(list(parents.values()), keep_weights=True) if parents else []
        for key, parent in zip(parents, again, strict=True):
            heirs = [(k, spec) for k, spec in specs.items() if spec.parent == key]
            parent.add_done_callback(partial(self._train_heirs, heirs, keep_weights))

    def _train_heirs(
        self, heirs: Sequence[tuple[str, ChildSpec]], keep_weights: bool, parent: "Future[Evaluation]"
    ) -> None:
        error = parent.exception()
        with self._lock:
            if error is None:
                self._train([heir for heir in heirs if heir[0] in self._in_flight], keep_weights=keep_weights)
                return
            pending = [self._in_flight.pop(key) for key, _ in heirs if key in self._in_flight]
        self._cache.release([key for key, _ in heirs])
        for each in pending:
            each.future.set_exception(error)

    def _train(self, specs: Sequence[tuple[str, ChildSpec]], *, keep_weights: bool) -> None:
        self._dispatcher.add(cut_units(specs, population=self.population, keep_weights=keep_weights))

    def _again(self, pending: _InFlight, spec: ChildSpec) -> "Future[Evaluation]":
        """Train a spec again, with weights, after its present evaluation without them."""
        return after(pending.future, lambda: self.submit([spec], keep_weights=True)[0])

    def _finish(self, results: Sequence[tuple[Evaluation, ChildSpec]]) -> None:
        """Complete the futures of results."""
        done: list[tuple[Future[Evaluation], Evaluation]] = []
        with self._lock:
            for evaluation, _ in results:
                outcome = self._cache.note(evaluation)
                pending = self._in_flight.pop(evaluation.key, None)
                if pending is not None:
                    done.append((pending.future, outcome))
        for future, outcome in done:
            future.set_result(outcome)

    def _fail(self, error: BaseException) -> None:
        """Complete all unfinished futures with an error."""
        self._stop.set()
        with self._lock:
            unfinished, self._in_flight, self._other_processes = self._in_flight, {}, {}
        self._cache.release(unfinished)
        for pending in unfinished.values():
            pending.future.set_exception(error)

    def _cluster_lost(self, what: str) -> None:
        """Stop with a message. Ray itself would end this process without saying how to resume."""
        error = ClusterError(f"the Ray cluster is lost: {what}. All results so far are stored.{self._resume}")
        self._lost_head = True
        self._dispatcher.stop(error, lost=True)
        self._fail(error)  # directly: the dispatcher's thread may be waiting for Ray

    def _start_poller(self) -> None:
        if self._poller is None:
            self._poller = threading.Thread(target=self._poll_other_processes, name="aen-other-processes", daemon=True)
            self._poller.start()

    def _poll_other_processes(self) -> None:
        """Poll the specs that other processes train: they are done, or this process takes them over."""
        while not self._stop.wait(POLL_SECONDS):
            try:
                self._poll_once()
            except Exception as error:  # noqa: BLE001 - it is passed on to those that wait for results
                self._dispatcher.stop(error)
                return

    def _poll_once(self) -> None:
        with self._lock:
            waiting = dict(self._other_processes)
        if self.store is None or not waiting:
            return
        claims = self.store.claim_many(list(waiting), again=[key for key, (_, keeps) in waiting.items() if keeps])
        finished, given_back = [], []
        with self._lock:
            for key, claim in claims.items():
                spec, keep_weights = waiting[key]
                known = claim.evaluation
                if known is not None and keep_weights and not self._cache.has_weights(known):
                    self._cache.recall(known)  # it is trained again, for its weights
                    known = None
                if claim.mine and (known is not None or key not in self._other_processes):
                    given_back.append(key)
                if key not in self._other_processes or not (claim.mine or known is not None):
                    continue
                del self._other_processes[key]
                if known is not None:
                    finished.append((known, spec))
                else:
                    self._train([(key, spec)], keep_weights=keep_weights)
            self._cache.release(given_back)
        self._finish(finished)
