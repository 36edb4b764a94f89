"""Rewards: the children that remote clients wait for, and the one evaluator that trains them.

A client opens a *batch*, adds specs to it and reads results as they come, by number. What several clients want is
trained once; what nobody wants any more, and no worker has, is not trained. Batches live in memory alone: a client
whose batch is gone, since the service was restarted, sends what is unfinished again; the store makes that harmless.
"""

import asyncio
import secrets
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING

from aen._machine import available_cores
from aen._typing import JsonDict
from aen.children.spec import ChildSpec
from aen.errors import AenError
from aen.evaluators import Activity, Evaluator
from aen.results.evaluation import Evaluation
from aen.results.store import ResultStore
from aen_service.errors import NotFoundError, QuotaError, UnavailableError
from aen_service.rewards.batches import Batch, answer, notify
from aen_service.rewards.demand import Demand
from aen_service.rewards.pool_evaluator import PoolEvaluator
from aen_service.rewards.ray_job_evaluator import RayJobEvaluator
from aen_service.rewards.weights import KeptWeights
from aen_service.settings import Settings
from aen_service.tokens import Token

if TYPE_CHECKING:
    from aen_service.job_server import JobServer

EXPIRE_SECONDS = 120.0  # after which a batch whose client does not ask is closed
_TICK_SECONDS = 1.0
_MOST_RESULTS = 1000  # in one answer


class Rewards:
    """Evaluates what remote clients send.

    Args:
        settings: of the service. The store is opened, and workers are started, when the first spec comes.
        jobs: of a Ray cluster that trains the children; None: processes of this machine do.
    """

    def __init__(self, settings: Settings, jobs: "JobServer | None" = None) -> None:
        self._settings, self._jobs = settings, jobs
        self._batches: dict[str, Batch] = {}
        self._changed = threading.Condition()
        self._closed = False
        self._evaluator: Evaluator | None = None
        self._store: ResultStore | None = None
        self._thread: threading.Thread | None = None
        self.weights = KeptWeights(settings.store, settings.limits.weights_bytes)
        self._demand = Demand(self.weights, self._open_store)

    @property
    def workers(self) -> int:
        """The number of workers; on a cluster, as far as is known."""
        evaluator = self._evaluator
        if self._jobs is not None and evaluator is not None:
            return evaluator.parallelism
        return self._settings.workers or available_cores()

    def activity(self) -> Activity:
        """Return how many workers and children there are."""
        with self._changed:
            waiting = self._demand.waiting
            evaluator = self._evaluator
        if evaluator is None:
            return Activity(self.workers, 0, waiting, 0, 0)
        found = evaluator.activity()
        return Activity(found.workers, found.running, found.waiting + waiting, found.trained, found.failed)

    @property
    def capacity(self) -> int:
        """How many children a client should have in flight so that no worker waits."""
        evaluator = self._evaluator
        return max(16 * self.workers, 2 * (evaluator.capacity if evaluator is not None else 1))

    def open(self, token: Token) -> Batch:
        """Open a batch."""
        batch = Batch(secrets.token_hex(12), token.id)
        with self._changed:
            self._start()
            self._batches[batch.id] = batch
        return batch

    def batch(self, name: str, token: Token) -> Batch:
        """Return a batch of a token.

        Raises:
            NotFoundError: there is none.
        """
        with self._changed:
            batch = self._batches.get(name)
            if batch is None or batch.token != token.id:
                raise NotFoundError(f"there is no batch {name[:40]!r}; it expired, or the service was restarted.")
            batch.asked = time.monotonic()
            return batch

    def add(self, batch: Batch, specs: Sequence[tuple[str, ChildSpec, bool]]) -> None:
        """Add specs, each with the key by which the client knows it, and whether it wants the weights.

        Raises:
            QuotaError: the token has too many children in flight; the client has to wait.
            UnavailableError: the store cannot be used now.
        """
        limit = self._settings.limits.evaluations
        with self._changed:
            batches = [other for other in self._batches.values() if other.token == batch.token]
            mine = sum(len(other.names) + len(other.results) for other in batches)
        if mine + len(specs) > limit:
            raise QuotaError(
                f"{mine:,} children of this token are being evaluated, or their results were not read, and at most "
                f"{limit:,} may be; read results.",
                headers={"Retry-After": "1"},
            )
        try:
            known = self._open_store().get_many([spec.key for _, spec, _ in specs])
        except AenError as error:
            raise UnavailableError(f"the result store cannot be used now: {error}") from error
        with self._changed:
            for name, spec, keep in specs:
                batch.names.setdefault(spec.key, set()).add(name)
                if keep:
                    batch.keeps.add(spec.key)
                evaluation = known.get(spec.key)
                if evaluation is not None and (not keep or evaluation.status != "ok" or self.weights.use(spec.key)):
                    answer(batch, spec.key, evaluation)
                else:
                    self._demand.add(batch, spec, keep=keep)
            notify(batch)
            self._changed.notify_all()

    def cancel(self, batch: Batch, names: Sequence[str] | None = None) -> None:
        """Forget children of a batch; those that nobody else wants and no worker has are not trained.

        Args:
            batch: the batch.
            names: the keys by which the client knows them; None: all, and the batch is closed.
        """
        with self._changed:
            dropped = [key for key, known_as in batch.names.items() if names is None or known_as & set(names)]
            for key in dropped:
                del batch.names[key]
                batch.keeps.discard(key)
                self._demand.remove(batch, key)
            if names is None:
                self._batches.pop(batch.id, None)
                notify(batch)

    async def results(self, batch: Batch, after: int, seconds: float) -> tuple[list[JsonDict], int]:
        """Return results after a number, and the number of the last one; wait for one if there is none.

        Results up to `after` are confirmed by that and forgotten.
        """
        ready = asyncio.Event()
        listener = (asyncio.get_running_loop(), ready)
        with self._changed:
            batch.listeners.add(listener)
            batch.watched += 1
        try:
            deadline = time.monotonic() + seconds
            while True:
                ready.clear()
                with self._changed:
                    while batch.first <= after and batch.results:
                        batch.results.popleft()
                        batch.first += 1
                    found = [batch.results[i] for i in range(min(len(batch.results), _MOST_RESULTS))]
                    gone = self._closed or batch.id not in self._batches
                    if found or gone:
                        return found, batch.first + len(found) - 1
                left = deadline - time.monotonic()
                if left <= 0:
                    return [], batch.last
                try:
                    await asyncio.wait_for(ready.wait(), left)
                except TimeoutError:
                    continue
        finally:
            with self._changed:
                batch.listeners.discard(listener)
                batch.watched -= 1
                batch.asked = time.monotonic()

    def close(self) -> None:
        """End the workers and close the store."""
        with self._changed:
            self._closed = True
            for batch in self._batches.values():
                notify(batch)
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()
        if self._evaluator is not None:
            self._evaluator.close()
        self.weights.close()
        if self._store is not None:
            self._store.close()

    def _open_store(self) -> ResultStore:
        with self._changed:
            if self._store is None:
                self._store = ResultStore(self._settings.store)
            return self._store

    def _start(self) -> None:
        if self._thread is None and not self._closed:
            self._thread = threading.Thread(target=self._run, name="aen-rewards", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        """Give the evaluator what is wanted, as much as it can take."""
        while True:
            # Asked before the lock is taken, which the evaluator's threads take while they hold their own.
            most = self._evaluator.capacity if self._evaluator is not None else 2 * self.workers
            with self._changed:
                self._expire()
                if self._closed:
                    return
                room = most - self._demand.given
                specs = self._demand.next(room) if room > 0 else []
                if not specs:
                    self._changed.wait(_TICK_SECONDS)
                    continue
            for keep in (False, True):
                self._submit([spec for spec, keeps in specs if keeps is keep], keep=keep)

    def _submit(self, specs: Sequence[ChildSpec], *, keep: bool) -> None:
        if not specs:
            return
        try:
            if self._evaluator is None:
                self._evaluator = self._make_evaluator()
            futures = self._evaluator.submit(specs, keep_weights=keep)
        except AenError as error:
            for spec in specs:
                self._finished(spec.key, None, error)
            return
        for spec, future in zip(specs, futures, strict=True):
            future.add_done_callback(partial(self._done, spec.key))

    def _make_evaluator(self) -> Evaluator:
        self.weights.open(self._open_store())
        if self._jobs is not None:
            return RayJobEvaluator(
                self._jobs,
                self._settings.folder / "rewards",
                store=self._settings.store,
                workers=self._settings.workers,
                weights_folder=self.weights.folder,
                kept=self._kept,
            )
        evaluator = PoolEvaluator(
            ResultStore(self._settings.store),
            workers=self.workers,
            weights_folder=self.weights.folder,
            kept=self._kept,
        )
        evaluator.start()
        return evaluator

    def _kept(self, key: str) -> None:
        self.weights.added(key, self._needed, self._open_store())

    def _needed(self) -> set[str]:
        """Return the keys of the weights that children inherit which are wanted now."""
        with self._changed:
            return self._demand.parents()

    def _done(self, key: str, future: "Future[Evaluation]") -> None:
        error = future.exception()
        self._finished(key, None if error is not None else future.result(), error)

    def _finished(self, key: str, evaluation: Evaluation | None, error: BaseException | None) -> None:
        with self._changed:
            self._demand.finished(key, evaluation, error)
            self._changed.notify_all()

    def _expire(self) -> None:
        now = time.monotonic()
        for batch in list(self._batches.values()):
            if not batch.watched and now - batch.asked > EXPIRE_SECONDS:
                self.cancel(batch)
