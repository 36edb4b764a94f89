"""The dispatcher: one thread that keeps the workers of a cluster busy.

Only this thread calls the actors. Everything arrives through one queue: new units, workers that are ready, calls that
have ended. Between reads of the queue it checks for timeouts. `faults` decides about units that failed; `workers`
starts and replaces workers.
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
from aen_agents.evaluators.ray.protocol import Trainer, TrainResult
from aen_agents.evaluators.ray.requests import RequestBuilder
from aen_agents.evaluators.ray.settings import Settings
from aen_agents.evaluators.ray.slots import Call, Ended, Slot, Started, take_share
from aen_agents.evaluators.ray.work_units import ThroughputEstimator, WorkUnit
from aen_agents.evaluators.ray.workers import Workers
from aen_agents.events import ChildLogged, Listener, WorkerLogged

POLL_SECONDS = 1.0
CLOSE_SECONDS = 10.0
# After a transaction, the next one waits for this multiple of its duration, but not longer than STORE_WAIT_SECONDS: a
# transaction costs milliseconds, nearly independent of the number of results.
STORE_WAIT_FACTOR = 9
STORE_WAIT_SECONDS = 0.05

# With the worker's name.
_Result = tuple[Evaluation, ChildSpec, str]


class Dispatcher:
    """Sends work units to workers and takes their results.

    Args:
        settings: of the training.
        trainer: trains on the workers.
        commit: stores results; an error that it raises stops the dispatcher.
        finished: is called with results once they are stored.
        failed: is called with the reason when the dispatcher has stopped.
        listener: gets events about workers and children.

    Attributes:
        trained: number of children with a result, including failed ones.
    """

    def __init__(
        self,
        settings: Settings,
        trainer: Trainer,
        *,
        commit: Callable[[Sequence[tuple[Evaluation, ChildSpec]]], None],
        finished: Callable[[Sequence[tuple[Evaluation, ChildSpec]]], None],
        failed: Callable[[BaseException], None],
        listener: Listener,
    ) -> None:
        self.trained = 0
        self._failures = 0
        self._settings = settings
        self._commit, self._on_finished, self._on_failed, self._listener = commit, finished, failed, listener
        self._events: queue.SimpleQueue[Sequence[WorkUnit] | Ended | Started | None] = queue.SimpleQueue()
        self._workers = Workers(settings, trainer, ended=self._events.put, notify=self._notify)
        self._request_builder = RequestBuilder(
            settings.weights_folder, debug=settings.debug, needs_data=trainer.needs_data
        )
        self._waiting: deque[WorkUnit] = deque()
        self._throughput = ThroughputEstimator()
        self._unstored: list[_Result] = []
        self._next_store = 0.0
        self._error: BaseException | None = None
        self._closing = self._cluster_lost = False
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    @property
    def capacity(self) -> int:
        """Number of units that the workers have when all of them are busy."""
        return self._settings.workers * self._throughput.units * self._throughput.calls

    def start(self) -> None:
        """Start the workers."""
        with self._lock:
            if self._thread is None and not self._closing:
                self._thread = threading.Thread(target=self._run, name="aen-dispatcher", daemon=True)
                self._thread.start()

    def check(self) -> None:
        """Check that the dispatcher is running.

        Raises:
            AenError: it has stopped, with the reason.
        """
        if self._closing:
            raise WorkerError("the evaluator is closed; make a new one.") from self._error
        if self._error is not None:
            raise self._error

    def add(self, units: Iterable[WorkUnit]) -> None:
        """Add units to the queue.

        Raises:
            AenError: the dispatcher has stopped, with the reason.
        """
        self.check()
        self._events.put(list(units))

    def stop(self, error: BaseException, *, lost: bool = False) -> None:
        """Stop because of an error.

        Args:
            error: the reason.
            lost: whether the cluster is lost.
        """
        self._error = self._error or faults.as_aen_error(error)
        self._cluster_lost = self._cluster_lost or lost
        self._events.put(None)

    def close(self) -> None:
        """Stop the workers, busy or not."""
        with self._lock:
            self._closing = True
        self._events.put(None)
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(1.0 if self._cluster_lost else CLOSE_SECONDS)

    def activity(self) -> Activity:
        """Return the numbers of workers and children."""
        alive = [slot for slot in self._workers.slots if slot.info is not None]
        calls = [call for slot in alive for call in list(slot.calls)]
        running = sum(len(call.units[0].specs) for call in calls if call.since is not None)
        held = sum(call.children for call in calls)
        waiting = sum(len(unit.specs) for unit in list(self._waiting))
        known = tuple(slot.in_training() for slot in alive)
        return Activity(len(alive), running, waiting + held - running, self.trained, self._failures, known)

    # Everything below runs only in the dispatcher's thread.

    def _run(self) -> None:
        try:
            self._workers.start_missing()
            try:
                while not self._closing and self._error is None:
                    self._assign()
                    self._handle(self._next_events())
                    self._check_timeouts()
            finally:
                self._store()
        except BaseException as error:  # noqa: BLE001 - it is passed on to those that wait for results
            self._error = self._error or error  # the errors that follow a lost cluster are less specific
        finally:
            if not self._cluster_lost:  # if it is lost, Ray would wait for it
                self._workers.stop_all()
        end = self._error or WorkerError("the evaluator was closed before this child was trained.")
        self._error = end = faults.as_aen_error(end)
        self._on_failed(end)

    def _next_events(self) -> list[Sequence[WorkUnit] | Ended | Started | None]:
        try:
            events = [self._events.get(timeout=self._poll_seconds())]
        except queue.Empty:
            return []
        while True:
            try:
                events.append(self._events.get_nowait())
            except queue.Empty:
                return events

    def _poll_seconds(self) -> float:
        """Return how long to wait for events before timeouts are checked."""
        timeout = self._settings.timeout
        seconds = POLL_SECONDS if timeout is None else max(min(POLL_SECONDS, timeout / 4), 0.01)
        return min(seconds, max(self._next_store - time.monotonic(), 0.0)) if self._unstored else seconds

    # Calls and their results.

    def _assign(self) -> None:
        """Send units to workers, first to those that have none."""
        for held in range(self._throughput.calls):
            for slot in self._workers.slots:
                if not self._waiting or (held and self._waiting[0].alone):  # those that go alone wait for a free worker
                    return
                if not slot.takes(held):
                    continue
                units = take_share(self._waiting, slot, self._workers.slots, worth=self._throughput.units)
                if units:
                    self._send(slot, units)

    def _send(self, slot: Slot, units: list[WorkUnit]) -> None:
        call = Call(units)
        slot.add(call)
        data = {unit.data: self._request_builder.data(unit) for unit in units}
        requests = [self._request_builder.request(unit, slot) for unit in units]
        self._workers.follow(slot, call, slot.actor.train.remote(requests, list(data.items())))

    def _handle(self, events: Sequence[Sequence[WorkUnit] | Ended | Started | None]) -> None:
        """Handle events. Workers get their next units before results are stored."""
        results: list[_Result] = []
        try:
            for event in events:
                if event is None:
                    continue
                if isinstance(event, Started):
                    self._workers.add(event)
                elif not isinstance(event, Ended):
                    self._waiting.extend(event)
                elif event.current:
                    results += self._take_results(event.slot, event.call, event.future)
            self._assign()  # before storing, so that no worker waits for the store
        finally:
            self._store_later(results)  # also if one of the events raises an error

    def _store_later(self, results: Sequence[_Result]) -> None:
        """Store results and pass them on, now or together with those of the next milliseconds."""
        self._unstored += results
        if self._unstored and time.monotonic() >= self._next_store:
            self._store()

    def _store(self) -> None:
        results, self._unstored = self._unstored, []
        if not results:
            return
        started = time.monotonic()
        pairs = [(evaluation, spec) for evaluation, spec, _ in results]
        self._commit(pairs)
        ended = time.monotonic()
        self._next_store = ended + min(STORE_WAIT_FACTOR * (ended - started), STORE_WAIT_SECONDS)
        self.trained += len(pairs)
        self._failures += sum(evaluation.status == "failed" for evaluation, _ in pairs)
        self._on_finished(pairs)
        for evaluation, _, worker in results:
            if evaluation.status != "failed":
                seconds = evaluation.seconds
                self._notify(ChildLogged(evaluation.key, worker, "finished", evaluation.status, seconds))
        if self._failures == self.trained:
            faults.check_first(self.trained, pairs[-1][0])

    def _take_results(self, slot: Slot, call: Call, future: "Future[Any]") -> list[_Result]:
        """Handle the end of a call; return the results to store."""
        error = future.exception()
        if error is not None:
            return self._handle_death(slot, error)
        slot.remove(call)
        results: list[_Result] = []
        answers: Sequence[TrainResult] = future.result()
        for unit, answer in zip(call.units, answers, strict=True):
            self._throughput.add(answer.seconds)
            if answer.fault is None:
                found = self._request_builder.evaluations(unit, answer, slot.name)
                results += [(evaluation, spec, slot.name) for evaluation, spec in found]
                continue
            text, seconds, retries = answer.traceback, answer.seconds, self._settings.retries
            verdict = faults.raised(unit, answer.fault, text, seconds=seconds, worker=slot.number, retries=retries)
            results += self._carry_out(slot, [verdict])
        return results

    # Faults.

    def _check_timeouts(self) -> None:
        """Replace workers whose call takes too long, and check that there are workers at all."""
        now = time.monotonic()
        results: list[_Result] = []
        for slot in self._workers.slots:
            if slot.calls:
                results += self._check_call(slot, slot.calls[0])
        self._store_later(results)
        self._workers.check_ready(now, wanted=bool(self._waiting))

    def _check_call(self, slot: Slot, call: Call) -> list[_Result]:
        """Replace a worker whose child exceeds the timeout, or delays others for too long."""
        behind, timeout = len(slot.calls) > 1, self._settings.timeout
        decision = faults.overdue(call.units, seconds=call.seconds, behind=behind, timeout=timeout)
        if decision is None:
            return []
        why, verdicts = decision
        slot.calls.popleft()
        self._waiting.extendleft(reversed(slot.units))  # their training has not begun
        slot.calls.clear()
        results = self._carry_out(slot, verdicts)
        self._workers.replace(slot, why)
        return results

    def _handle_death(self, slot: Slot, error: BaseException) -> list[_Result]:
        """Replace a worker that died, and decide about the units that it had."""
        text = faults.text_of(error)
        seconds, suspects = slot.calls[0].seconds, slot.units
        slot.calls.clear()
        verdicts = faults.died(suspects, text, seconds=seconds, retries=self._settings.retries)
        results = self._carry_out(slot, verdicts)
        self._workers.replace(slot, faults.last_line(text))
        return results

    def _carry_out(self, slot: Slot, verdicts: Sequence[faults.Verdict]) -> list[_Result]:
        """Queue the next tries before all other units; return the evaluations of children that have failed."""
        results: list[_Result] = []
        for verdict in reversed(verdicts):  # each is put at the front of the queue
            kind, text = verdict.kind, faults.last_line(verdict.text)
            self._waiting.extendleft(reversed(verdict.next_tries))
            for key in verdict.unit.specs:
                if verdict.next_tries:
                    self._notify(ChildLogged(key, slot.name, "requeued", kind, 0.0, text))
                else:
                    self._notify(ChildLogged(key, slot.name, "failed", kind, verdict.seconds, text))
            if not verdict.next_tries:
                failed = faults.failures(verdict, device=self._settings.device, threads=self._settings.threads)
                results += [(evaluation, spec, slot.name) for evaluation, spec in failed]
        return results

    def _notify(self, event: ChildLogged | WorkerLogged) -> None:
        with suppress(Exception):  # an error of a listener must not stop the search
            self._listener(event)
