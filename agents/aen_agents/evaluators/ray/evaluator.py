"""RayEvaluator: trains children on the actors of a Ray cluster.

Ray runs the actors; ours is what Ray does not know: what a child is, that none is trained twice, and what to do with
one that takes too long, too much memory, or its worker down. docs/scale.md explains and measures.
"""

import threading
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from aen.children.spec import ChildSpec
from aen.errors import AenError, SpecError
from aen.evaluators.base import Activity
from aen.evaluators.cache import CachingEvaluator, EvaluationCache
from aen.results.evaluation import Evaluation
from aen_agents.evaluators.ray.cluster import ClusterError, check_room, connect, disconnect, head_of, room, starts_here
from aen_agents.evaluators.ray.disconnect import abandon
from aen_agents.evaluators.ray.dispatcher import Dispatcher
from aen_agents.evaluators.ray.head_monitor import Pulse
from aen_agents.evaluators.ray.settings import Settings
from aen_agents.evaluators.ray.work_units import cut_units
from aen_agents.evaluators.ray.worker import ChildTrainer, Trainer
from aen_agents.events import Listener

if TYPE_CHECKING:
    from aen.results.store import ResultStore

ELSEWHERE_SECONDS = 0.5
# While workers are being lost, at most one for so many is held in reserve.
RESERVE_SHARE = 8


@dataclass
class _Flight:
    """A spec on its way.

    Attributes:
        future: done when it lands.
        keeps: whether its weights will be there.
    """

    future: "Future[Evaluation]"
    keeps: bool


class RayEvaluator(CachingEvaluator):
    """Evaluates on a Ray cluster: actors train specs as they come, this process alone writes the store.

    Results come in the order in which they finish, and are the same as those of a `LocalEvaluator` with as many threads
    (bit for bit on CPUs of one kind). Specs that are stored or in flight, here or in another process with the same
    store, are not trained again. Small children go to a worker several at a time.

    A child that takes longer than `timeout` fails; so does one of which `retries` + 1 workers died, one that memory is
    too small for even with smaller populations and batches in parts, and one that raises an error. It is an evaluation
    then like others, with status ``failed``, and the rest goes on.

    Args:
        store: where results are kept and looked up; None keeps them in memory.
        address: of the cluster; see `aen_agents.evaluators.ray.cluster.connect`.
        connect_timeout: seconds to wait for it.
        workers: actors; None: as many as there is room for.
        cpus_per_worker: cores that Ray sets aside for each.
        gpus_per_worker: GPUs, or a part of one; 0: children are trained on the CPU.
        threads: CPU threads per worker.
        population: children that a worker trains side by side.
        timeout: seconds that a child may take; None: as long as it likes.
        retries: how often a child is tried again after its worker died.
        weights_folder: where weights go when they are kept, and where those of parents are found.
        debug: check of every child that goes on from a parent's weights that it begins as the same function.
        listener: is told of workers and children, from another thread.
        trainer: what trains; by default children are trained for real.
        resume: the command that goes on with the search, for what is said when the cluster is lost.

    Attributes:
        trained: how many children were trained, failed ones too, not counting those looked up.

    Raises:
        ClusterError: the cluster cannot be reached, or has no room for the workers.
        SpecError: an argument out of range.
    """

    def __init__(
        self,
        store: "ResultStore | None" = None,
        *,
        address: str | None = None,
        connect_timeout: float = 30.0,
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
        _check(workers=workers, population=population, threads=threads, cpus_per_worker=cpus_per_worker)
        _check(timeout=timeout)
        if gpus_per_worker < 0 or retries < 0:
            raise SpecError(f"gpus_per_worker is {gpus_per_worker} and retries {retries}; neither may be negative.")
        if gpus_per_worker > 1 and gpus_per_worker != int(gpus_per_worker):
            raise SpecError(f"gpus_per_worker is {gpus_per_worker}; Ray gives a worker part of one, or whole ones.")
        self.population = population
        self._cache = EvaluationCache(store, weights_folder)
        self._flying: dict[str, _Flight] = {}
        self._elsewhere: dict[str, tuple[ChildSpec, bool]] = {}
        self._lock = threading.RLock()
        self._resume = "" if resume is None else f" To go on: {resume}"
        if resume is not None and not starts_here(address):
            self._resume += ", once a cluster runs there; elsewhere, with cluster.address=host:port behind it."
        self._lost_head = False
        self._connected = connect(address, connect_timeout, workers=workers, cpus=cpus_per_worker, gpus=gpus_per_worker)
        try:
            self._head = head_of(address)
            self.workers = check_room(workers, cpus_per_worker, gpus_per_worker)
            self._dispatcher = Dispatcher(
                Settings(
                    workers=self.workers,
                    starts=max(1, int(room().cores)),
                    reserve=self._reserve(address, gpus_per_worker),
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
                landed=self._landed,
                lost=self._lost,
                listener=listener or (lambda _: None),
            )
        except BaseException:
            self._leave()
            raise
        self._pulse = Pulse(self._head, self._head_lost)
        self._stop = threading.Event()
        self._watch: threading.Thread | None = None

    def _reserve(self, address: str | None, gpus: float) -> int:
        """Return how many workers may be held in reserve: none where others want their cores, and none on GPUs."""
        return self.workers // RESERVE_SHARE if self._connected and starts_here(address) and not gpus else 0

    @property
    def trained(self) -> int:
        """How many children were trained, failed ones too."""
        return self._dispatcher.trained

    @property
    def parallelism(self) -> int:
        """Workers times population."""
        return self.workers * self.population

    @property
    def capacity(self) -> int:
        """How many specs keep every worker busy, with as many again waiting."""
        return self.population * self._dispatcher.hands * 2

    def start(self) -> None:
        """Start the workers now, so that they are there when the first specs come."""
        self._dispatcher.start()
        with self._lock:
            self._pulse.start()

    def activity(self) -> Activity:
        """Return what it is at."""
        return self._dispatcher.activity()

    def submit(self, specs: Sequence[ChildSpec], *, keep_weights: bool = False) -> "list[Future[Evaluation]]":
        """Evaluate the specs; see `aen.evaluators.Evaluator`. May be called from any thread; never waits for training.

        Raises:
            SpecError: weights shall be kept but there is no folder for them.
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
        """Stop the actors, whatever they are doing, give back what they had not finished, and close the store.

        Futures that are not done raise a `WorkerError` then.
        """
        self._stop.set()
        self._pulse.close()
        self._dispatcher.close()
        if self._watch is not None and self._watch is not threading.current_thread():
            self._watch.join()
        with self._lock:
            unfinished = list(self._flying)
        self._cache.close(unfinished)
        self._leave()

    def _leave(self) -> None:
        if self._connected:
            self._connected = False
            if self._lost_head:
                abandon()
            else:
                disconnect()

    def _look_up(self, specs: dict[str, ChildSpec], *, keep_weights: bool) -> "dict[str, Future[Evaluation]]":
        """Return what is known or on its way."""
        futures: dict[str, Future[Evaluation]] = {}
        for key, spec in specs.items():
            flight = self._flying.get(key)
            if flight is not None:
                futures[key] = flight.future if flight.keeps or not keep_weights else self._again(flight, spec)
        known = self._cache.known([key for key in specs if key not in futures], keep_weights=keep_weights)
        for key, evaluation in known.items():
            futures[key] = Future()
            futures[key].set_result(evaluation)
        return futures

    def _launch(self, specs: dict[str, ChildSpec], *, keep_weights: bool) -> "dict[str, Future[Evaluation]]":
        """Have specs trained that are neither known nor on their way."""
        futures: dict[str, Future[Evaluation]] = {key: Future() for key in specs}
        for future in futures.values():
            future.set_running_or_notify_cancel()  # others may wait for it too: nobody can cancel it
        self._flying |= {key: _Flight(future, keep_weights) for key, future in futures.items()}
        try:
            claims = self._cache.claim(list(specs))
            mine = {key for key in specs if key not in claims or claims[key].mine}
            self._train([(key, spec) for key, spec in specs.items() if key in mine], keep_weights=keep_weights)
            self._elsewhere |= {key: (spec, keep_weights) for key, spec in specs.items() if key not in mine}
            if len(mine) < len(specs):
                self._start_watch()
        except BaseException:  # Ctrl-C too: neither a lease nor a future that is never done may stay behind
            for key in specs:
                self._flying.pop(key, None)
                self._elsewhere.pop(key, None)
            self._cache.release(specs)
            raise
        return futures

    def _train(self, specs: Sequence[tuple[str, ChildSpec]], *, keep_weights: bool) -> None:
        self._dispatcher.add(cut_units(specs, population=self.population, keep_weights=keep_weights))

    def _again(self, flight: _Flight, spec: ChildSpec) -> "Future[Evaluation]":
        """Train a spec once more when it has landed, this time with weights."""
        outer: Future[Evaluation] = Future()
        outer.set_running_or_notify_cancel()

        def pass_on(inner: "Future[Evaluation]") -> None:
            error = inner.exception()
            if error is not None:
                outer.set_exception(error)
            else:
                outer.set_result(inner.result())

        def submit(landed: "Future[Evaluation]") -> None:
            if landed.exception() is not None:
                pass_on(landed)
                return
            try:
                (inner,) = self.submit([spec], keep_weights=True)
            except AenError as error:
                outer.set_exception(error)
            else:
                inner.add_done_callback(pass_on)

        flight.future.add_done_callback(submit)
        return outer

    def _landed(self, results: Sequence[tuple[Evaluation, ChildSpec]]) -> None:
        """Hand results out."""
        done: list[tuple[Future[Evaluation], Evaluation]] = []
        with self._lock:
            for evaluation, _ in results:
                outcome = self._cache.note(evaluation)
                flight = self._flying.pop(evaluation.key, None)
                if flight is not None:
                    done.append((flight.future, outcome))
        for future, outcome in done:
            future.set_result(outcome)

    def _lost(self, error: BaseException) -> None:
        """Tell everybody who waits that nothing comes any more."""
        self._stop.set()
        with self._lock:
            flights, self._flying, self._elsewhere = self._flying, {}, {}
        self._cache.release(flights)
        for flight in flights.values():
            flight.future.set_exception(error)

    def _head_lost(self, silence: float) -> None:
        """End everything; Ray would end this process, and say nothing of how to go on."""
        error = ClusterError(
            f"the Ray cluster is lost: its head, {self._head}, has not answered for {silence:.0f} s. "
            f"What was trained is kept.{self._resume}"
        )
        self._lost_head = True
        self._dispatcher.stop(error, lost=True)
        self._lost(error)  # the dispatcher's thread may itself wait for Ray

    def _start_watch(self) -> None:
        if self._watch is None:
            self._watch = threading.Thread(target=self._watch_elsewhere, name="aen-elsewhere", daemon=True)
            self._watch.start()

    def _watch_elsewhere(self) -> None:
        """See what has become of specs that other processes train: done, or ours since they died."""
        while not self._stop.wait(ELSEWHERE_SECONDS):
            try:
                self._look_elsewhere()
            except Exception as error:  # noqa: BLE001 - whoever waits is told
                self._dispatcher.stop(error)
                return

    def _look_elsewhere(self) -> None:
        with self._lock:
            waiting = dict(self._elsewhere)
        if self.store is None or not waiting:
            return
        claims = self.store.claim_many(list(waiting))
        landed = []
        with self._lock:
            self._cache.release([key for key, claim in claims.items() if claim.mine and key not in self._elsewhere])
            for key, claim in claims.items():
                spec, keep_weights = waiting[key]
                if key not in self._elsewhere or not (claim.mine or claim.evaluation is not None):
                    continue
                del self._elsewhere[key]
                if claim.evaluation is not None and (not keep_weights or self._cache.has_weights(claim.evaluation)):
                    landed.append((claim.evaluation, spec))
                    continue
                if claim.evaluation is not None:
                    self._cache.recall(claim.evaluation)  # it is trained once more, for its weights
                self._train([(key, spec)], keep_weights=keep_weights)
        self._landed(landed)


def _check(**values: float | None) -> None:
    for name, value in values.items():
        if value is not None and not value > 0:
            raise SpecError(f"{name} is {value}; it must be above 0.")
