"""Rewards: the children that remote clients wait for, and the one evaluator that trains them.

A client opens a *batch*, adds specs to it and reads results as they come, by number. What several clients want is
trained once; what nobody wants any more, and no worker has, is not trained. Batches live in memory alone: a client
whose batch is gone, since the service was restarted, sends what is unfinished again; the store makes that harmless.
"""

import asyncio
import secrets
import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import asdict, dataclass, field
from functools import partial

from aen._processes import available_cores
from aen._secrets import hide_secrets
from aen._typing import JsonDict
from aen.children.spec import ChildSpec
from aen.errors import AenError
from aen.evaluators import Activity, Evaluator
from aen.results.evaluation import Evaluation
from aen.results.store import ResultStore
from aen_service.errors import NotFoundError, QuotaError, UnavailableError
from aen_service.rewards.pool_evaluator import PoolEvaluator
from aen_service.settings import Settings
from aen_service.tokens import Token

EXPIRE_SECONDS = 120.0  # after which a batch whose client does not ask is closed
_TICK_SECONDS = 1.0
_MOST_RESULTS = 1000  # in one answer


@dataclass(eq=False)
class Batch:
    """The children that a client waits for.

    Attributes:
        id: identifies it; it cannot be guessed.
        token: whose it is.
        names: by the key of each child that is unfinished, the keys by which the client knows it.
        results: those that the client has not confirmed.
        first: the number of the first of `results`; numbers begin at 1.
        asked: when its client asked last, by the monotonic clock.
        watched: how many requests wait for results.
    """

    id: str
    token: str
    names: dict[str, set[str]] = field(default_factory=dict)
    results: deque[JsonDict] = field(default_factory=deque)
    first: int = 1
    asked: float = field(default_factory=time.monotonic)
    watched: int = 0
    listeners: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = field(default_factory=set)

    @property
    def last(self) -> int:
        """The number of the last result."""
        return self.first + len(self.results) - 1


@dataclass
class _Wanted:
    """A child that is wanted: by which batches, and whether the evaluator has it."""

    spec: ChildSpec
    batches: set[Batch]
    given: bool = False


class Rewards:
    """Evaluates what remote clients send.

    Args:
        settings: of the service. The store is opened, and workers are started, when the first spec comes.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._batches: dict[str, Batch] = {}
        self._wanted: dict[str, _Wanted] = {}
        self._waiting: dict[str, deque[str]] = {}  # keys by token: one of each in turn
        self._given = 0
        self._changed = threading.Condition()
        self._closed = False
        self._evaluator: Evaluator | None = None
        self._store: ResultStore | None = None
        self._thread: threading.Thread | None = None
        self._lookups = 0

    @property
    def workers(self) -> int:
        """The number of worker processes."""
        return self._settings.workers or available_cores()

    def activity(self) -> Activity:
        """Return how many workers and children there are."""
        with self._changed:
            waiting = len(self._wanted) - self._given
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

    def add(self, batch: Batch, specs: Sequence[tuple[str, ChildSpec]]) -> None:
        """Add specs, each with the key by which the client knows it.

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
            known = self._open_store().get_many([spec.key for _, spec in specs])
        except AenError as error:
            raise UnavailableError(f"the result store cannot be used now: {error}") from error
        with self._changed:
            for name, spec in specs:
                batch.names.setdefault(spec.key, set()).add(name)
                if spec.key in known:
                    self._lookups += 1
                    _answer(batch, spec.key, known[spec.key])
                elif spec.key in self._wanted:
                    self._wanted[spec.key].batches.add(batch)
                else:
                    self._wanted[spec.key] = _Wanted(spec, {batch})
                    self._waiting.setdefault(batch.token, deque()).append(spec.key)
            _notify(batch)
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
                wanted = self._wanted.get(key)
                if wanted is not None:
                    wanted.batches.discard(batch)
                    if not wanted.batches and not wanted.given:
                        del self._wanted[key]  # its place in the queue is skipped
            if names is None:
                self._batches.pop(batch.id, None)
                _notify(batch)

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
                _notify(batch)
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()
        if self._evaluator is not None:
            self._evaluator.close()
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
                room = most - self._given
                specs = self._next(room) if room > 0 else []
                if not specs:
                    self._changed.wait(_TICK_SECONDS)
                    continue
                self._given += len(specs)
            try:
                if self._evaluator is None:
                    self._evaluator = self._make_evaluator()
                futures = self._evaluator.submit(specs)
            except AenError as error:
                for spec in specs:
                    self._finished(spec.key, None, error)
                continue
            for spec, future in zip(specs, futures, strict=True):
                future.add_done_callback(partial(self._done, spec.key))

    def _make_evaluator(self) -> Evaluator:
        evaluator = PoolEvaluator(ResultStore(self._settings.store), workers=self.workers)
        evaluator.start()
        return evaluator

    def _next(self, count: int) -> list[ChildSpec]:
        """Take children that are wanted, of each token in turn."""
        specs: list[ChildSpec] = []
        while self._waiting and len(specs) < count:
            token = next(iter(self._waiting))
            queue = self._waiting.pop(token)
            wanted = self._wanted.get(queue.popleft())
            if queue:
                self._waiting[token] = queue  # the token comes last now
            if wanted is not None and not wanted.given:
                wanted.given = True
                specs.append(wanted.spec)
        return specs

    def _done(self, key: str, future: "Future[Evaluation]") -> None:
        error = future.exception()
        self._finished(key, None if error is not None else future.result(), error)

    def _finished(self, key: str, evaluation: Evaluation | None, error: BaseException | None) -> None:
        with self._changed:
            self._given -= 1
            wanted = self._wanted.pop(key, None)
            for batch in wanted.batches if wanted is not None else ():
                _answer(batch, key, evaluation if evaluation is not None else error)
                _notify(batch)
            self._changed.notify_all()

    def _expire(self) -> None:
        now = time.monotonic()
        for batch in list(self._batches.values()):
            if not batch.watched and now - batch.asked > EXPIRE_SECONDS:
                self.cancel(batch)


def _answer(batch: Batch, key: str, outcome: Evaluation | BaseException | None) -> None:
    """Put a result into a batch, once for each key by which the client knows the child."""
    for name in sorted(batch.names.pop(key, ())):
        if isinstance(outcome, Evaluation):
            # Its weights, if any, are files of this machine.
            content: JsonDict = {"key": name, "evaluation": asdict(outcome) | {"key": name, "weights": None}}
        else:
            content = {"key": name, "error": hide_secrets(str(outcome)) or type(outcome).__name__}
        batch.results.append(content)


def _notify(batch: Batch) -> None:
    for loop, event in list(batch.listeners):
        if not loop.is_closed():
            loop.call_soon_threadsafe(event.set)
