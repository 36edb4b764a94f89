"""The dispatcher: one thread that keeps every worker of a cluster busy.

It alone talks to the actors. What happens comes to it through one queue: new units, workers that are ready, calls that
have ended one way or the other. Between two looks into the queue it checks who takes too long. What becomes of units
that failed is decided in `faults`; the workers come and go in `crew`.
"""

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

from aen.children.spec import ChildSpec
from aen.evaluators.base import Activity
from aen.evaluators.processes import WorkerError
from aen.results.evaluation import Evaluation
from aen_agents.evaluators.ray import faults
from aen_agents.evaluators.ray.requests import Orders
from aen_agents.evaluators.ray.settings import Settings
from aen_agents.evaluators.ray.slots import Call, Ended, Slot, Start, take_share
from aen_agents.evaluators.ray.work_units import Pace, Unit
from aen_agents.evaluators.ray.worker import Outcome, Trainer
from aen_agents.evaluators.ray.workers import Crew
from aen_agents.events import ChildLogged, Listener, WorkerLogged

POLL_SECONDS = 1.0
CLOSE_SECONDS = 10.0
# Storing is at rest for so many times as long as it took, but no longer than this: a transaction costs milliseconds,
# nearly the same for one result and for many.
REST_TIMES = 9
REST_SECONDS = 0.05

# With the worker's name.
_Result = tuple[Evaluation, ChildSpec, str]


class Dispatcher:
    """Keeps workers busy.

    Args:
        settings: of the cluster.
        trainer: what trains on the workers.
        commit: stores results; what it raises ends everything.
        landed: hands results out.
        lost: is told why nothing comes any more.
        listener: is told of workers and children.

    Attributes:
        trained: how many children came to a result, failed ones too.
    """

    def __init__(
        self,
        settings: Settings,
        trainer: Trainer,
        *,
        commit: Callable[[Sequence[tuple[Evaluation, ChildSpec]]], None],
        landed: Callable[[Sequence[tuple[Evaluation, ChildSpec]]], None],
        lost: Callable[[BaseException], None],
        listener: Listener,
    ) -> None:
        self.trained = 0
        self._failed = 0
        self._settings = settings
        self._commit, self._landed, self._lost, self._listener = commit, landed, lost, listener
        self._events: queue.SimpleQueue[Sequence[Unit] | Ended | Start | None] = queue.SimpleQueue()
        self._crew = Crew(settings, trainer, ended=self._events.put, tell=self._tell)
        self._orders = Orders(settings.weights_folder, debug=settings.debug, needs_data=trainer.needs_data)
        self._waiting: deque[Unit] = deque()
        self._pace = Pace()
        self._landing: list[_Result] = []
        self._rests_until = 0.0
        self._error: BaseException | None = None
        self._closing = self._cluster_lost = False
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    @property
    def hands(self) -> int:
        """How many units the workers have when they are busy."""
        return self._settings.workers * self._pace.units * self._pace.ahead

    def start(self) -> None:
        """Start the workers."""
        with self._lock:
            if self._thread is None and not self._closing:
                self._thread = threading.Thread(target=self._run, name="aen-dispatcher", daemon=True)
                self._thread.start()

    def check(self) -> None:
        """Check that there is somebody to train.

        Raises:
            AenError: there is nobody any more; it says why.
        """
        if self._closing:
            raise WorkerError("the evaluator is closed; make a new one.") from self._error
        if self._error is not None:
            raise self._error

    def add(self, units: Iterable[Unit]) -> None:
        """Take units to train.

        Raises:
            AenError: there is nobody to train them any more.
        """
        self.check()
        self._events.put(list(units))

    def stop(self, error: BaseException, *, lost: bool = False) -> None:
        """End everything because of an error.

        Args:
            error: why.
            lost: whether the cluster is lost.
        """
        self._error = self._error or faults.told(error)
        self._cluster_lost = self._cluster_lost or lost
        self._events.put(None)

    def close(self) -> None:
        """End the workers, whatever they are doing."""
        with self._lock:
            self._closing = True
        self._events.put(None)
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(1.0 if self._cluster_lost else CLOSE_SECONDS)

    def activity(self) -> Activity:
        """Return what the workers are at."""
        alive = [slot for slot in self._crew.slots if slot.hello is not None]
        calls = [call for slot in alive for call in list(slot.calls)]
        running = sum(len(call.units[0].specs) for call in calls if call.since is not None)
        held = sum(call.children for call in calls)
        waiting = sum(len(unit.specs) for unit in list(self._waiting))
        return Activity(len(alive), running, waiting + held - running, self.trained, self._failed)

    # What follows runs in the thread alone.

    def _run(self) -> None:
        try:
            self._crew.hire()
            try:
                while not self._closing and self._error is None:
                    self._give()
                    self._take(self._next_events())
                    self._check_time()
            finally:
                self._store()
        except BaseException as error:  # noqa: BLE001 - whoever waits is told
            self._error = self._error or error  # what follows from a lost cluster says less than that
        finally:
            if not self._cluster_lost:  # else Ray would wait for it
                self._crew.disband()
        end = self._error or WorkerError("the evaluator was closed before this child was trained.")
        self._error = end = faults.told(end)
        self._lost(end)

    def _next_events(self) -> list[Sequence[Unit] | Ended | Start | None]:
        try:
            events = [self._events.get(timeout=self._patience())]
        except queue.Empty:
            return []
        while True:
            try:
                events.append(self._events.get_nowait())
            except queue.Empty:
                return events

    def _patience(self) -> float:
        """Return how long nothing may happen before the time is to be checked."""
        timeout = self._settings.timeout
        patience = POLL_SECONDS if timeout is None else max(min(POLL_SECONDS, timeout / 4), 0.01)
        return min(patience, max(self._rests_until - time.monotonic(), 0.0)) if self._landing else patience

    # Calls are made and come back.

    def _give(self) -> None:
        """Give units to workers, to those without any first."""
        for held in range(self._pace.ahead):
            for slot in self._crew.slots:
                if not self._waiting or (held and self._waiting[0].alone):  # alone it shall be to the end
                    return
                if not slot.takes(held):
                    continue
                units = take_share(self._waiting, slot, self._crew.slots, worth=self._pace.units)
                if units:
                    self._send(slot, units)

    def _send(self, slot: Slot, units: list[Unit]) -> None:
        call = Call(units)
        slot.add(call)
        data = {unit.data: self._orders.data(unit) for unit in units}
        orders = [self._orders.order(unit, slot) for unit in units]
        self._crew.follow(slot, call, slot.actor.train.remote(orders, list(data.items())))

    def _take(self, events: Sequence[Sequence[Unit] | Ended | Start | None]) -> None:
        """Take in what happened; workers have the next to train before results are stored."""
        results: list[_Result] = []
        try:
            for event in events:
                if event is None:
                    continue
                if isinstance(event, Start):
                    self._crew.welcome(event)
                elif not isinstance(event, Ended):
                    self._waiting.extend(event)
                elif event.current:
                    results += self._back(event.slot, event.call, event.future)
            self._give()  # now: no worker shall wait for the store
        finally:
            self._land(results)  # also when one of them ends everything

    def _land(self, results: Sequence[_Result]) -> None:
        """Have results stored and handed out, now or with those of the next milliseconds."""
        self._landing += results
        if self._landing and time.monotonic() >= self._rests_until:
            self._store()

    def _store(self) -> None:
        results, self._landing = self._landing, []
        if not results:
            return
        started = time.monotonic()
        pairs = [(evaluation, spec) for evaluation, spec, _ in results]
        self._commit(pairs)
        ended = time.monotonic()
        self._rests_until = ended + min(REST_TIMES * (ended - started), REST_SECONDS)
        self.trained += len(pairs)
        self._failed += sum(evaluation.status == "failed" for evaluation, _ in pairs)
        self._landed(pairs)
        for evaluation, _, worker in results:
            if evaluation.status != "failed":
                seconds = evaluation.seconds
                self._tell(ChildLogged(evaluation.key, worker, "finished", evaluation.status, seconds))
        if self._failed == self.trained:
            faults.check_first(self.trained, pairs[-1][0])

    def _back(self, slot: Slot, call: Call, future: "Future[Any]") -> list[_Result]:
        """Take a call back; return what there is to store."""
        error = future.exception()
        if error is not None:
            return self._died(slot, error)
        slot.remove(call)
        results: list[_Result] = []
        outcomes: Sequence[Outcome] = future.result()
        for unit, outcome in zip(call.units, outcomes, strict=True):
            self._pace.took(outcome.seconds)
            if outcome.fault is None:
                found = self._orders.evaluations(unit, outcome, slot.name)
                results += [(evaluation, spec, slot.name) for evaluation, spec in found]
                continue
            said, seconds, retries = outcome.traceback, outcome.seconds, self._settings.retries
            verdict = faults.raised(unit, outcome.fault, said, seconds=seconds, worker=slot.number, retries=retries)
            results += self._carry_out(slot, [verdict])
        return results

    # Faults.

    def _check_time(self) -> None:
        """See who takes too long, and whether anybody is there at all."""
        now = time.monotonic()
        results: list[_Result] = []
        for slot in self._crew.slots:
            if slot.calls:
                results += self._check_call(slot, slot.calls[0])
        self._land(results)
        self._crew.check_ready(now, wanted=bool(self._waiting))
        self._crew.dismiss()

    def _check_call(self, slot: Slot, call: Call) -> list[_Result]:
        """End a worker that takes too long for a child, or holds up others too long."""
        behind, timeout = len(slot.calls) > 1, self._settings.timeout
        judged = faults.overdue(call.units, seconds=call.seconds, behind=behind, timeout=timeout)
        if judged is None:
            return []
        why, verdicts = judged
        slot.calls.popleft()
        self._waiting.extendleft(reversed(slot.units))  # not begun: they are not at fault
        slot.calls.clear()
        results = self._carry_out(slot, verdicts)
        self._crew.replace(slot, why)
        return results

    def _died(self, slot: Slot, error: BaseException) -> list[_Result]:
        """A worker is gone, and with it what it had."""
        said = faults.text_of(error)
        seconds, suspects = slot.calls[0].seconds, slot.units
        slot.calls.clear()
        verdicts = faults.died(suspects, said, seconds=seconds, retries=self._settings.retries)
        results = self._carry_out(slot, verdicts)
        self._crew.replace(slot, faults.last_line(said))
        return results

    def _carry_out(self, slot: Slot, verdicts: Sequence[faults.Verdict]) -> list[_Result]:
        """Have units tried again before all others; return the failures of those that are given up."""
        results: list[_Result] = []
        for verdict in reversed(verdicts):  # each goes to the front
            kind, said = verdict.kind, faults.last_line(verdict.said)
            self._waiting.extendleft(reversed(verdict.next_tries))
            for key in verdict.unit.specs:
                if verdict.next_tries:
                    self._tell(ChildLogged(key, slot.name, "requeued", kind, 0.0, said))
                else:
                    self._tell(ChildLogged(key, slot.name, "failed", kind, verdict.seconds, said))
            if not verdict.next_tries:
                failed = faults.failures(verdict, device=self._settings.device, threads=self._settings.threads)
                results += [(evaluation, spec, slot.name) for evaluation, spec in failed]
        return results

    def _tell(self, event: ChildLogged | WorkerLogged) -> None:
        with suppress(Exception):  # who watches must not be able to end what is watched
            self._listener(event)
