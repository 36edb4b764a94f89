"""The dispatcher: one thread that keeps every worker of a cluster busy, and knows what to do when one fails.

It alone talks to the actors. What happens comes to it through one queue: new units, workers that are ready, calls that
have ended one way or the other. Between two looks into the queue it checks who takes too long.
"""

import functools
import queue
import re
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aen.children.spec import ChildSpec
from aen.errors import AenError
from aen.evaluators.base import Activity
from aen.evaluators.pool import WorkerError
from aen.results.evaluation import Evaluation
from aen_agents.evaluators.cluster import room
from aen_agents.evaluators.units import Pace, Unit
from aen_agents.evaluators.worker import FaultKind, Hello, Order, Outcome, Trainer, Versions, Worker
from aen_agents.events import ChildLogged, Listener, Notice, WorkerLogged

POLL_SECONDS = 1.0
# So long may a cluster be without any worker that is ready, before the search gives up.
PATIENCE_SECONDS = 180.0
# Quick units go together, and calls of them wait at their workers. So long may one that is not so quick after all hold
# up others; then its worker is ended, and all go again, that one alone.
HELD_UP_SECONDS = 10.0
# A worker gets its next call ahead only if its present one has not lasted so long.
FRESH_SECONDS = 1.0
# So many workers in a row may fail to start, for each that there should be.
START_TRIES = 3
# So many children may fail before any has succeeded.
FAILURES_AT_FIRST = 10
CLOSE_SECONDS = 10.0
_TRACEBACK_CHARACTERS = 20_000


@dataclass(frozen=True)
class Settings:
    """How children are trained on a cluster; see `aen_agents.evaluators.ray.RayEvaluator`."""

    workers: int
    cpus: float
    gpus: float
    threads: int
    device: str
    timeout: float | None
    retries: int
    weights_folder: Path | None
    debug: bool


@dataclass(eq=False)
class _Call:
    """Units that a worker has.

    Attributes:
        units: in their order.
        since: when it became the first of its worker's calls, or None.
    """

    units: list[Unit]
    since: float | None = None

    @property
    def children(self) -> int:
        return sum(len(unit.specs) for unit in self.units)

    @property
    def seconds(self) -> float:
        """For how long it has been trained."""
        return 0.0 if self.since is None else time.monotonic() - self.since


@dataclass(eq=False)
class _Slot:
    """A worker's place; when the worker is lost, another takes it.

    Attributes:
        number: of the place.
        life: of how many workers in this place this one is the last.
        actor: its handle.
        hello: what it said of itself; None: it is not ready yet.
        calls: what it has, the first being trained.
    """

    number: int
    life: int = 0
    actor: Any = None
    hello: Hello | None = None
    calls: deque[_Call] = field(default_factory=deque)

    @property
    def name(self) -> str:
        return f"worker-{self.number}.{self.life}"

    def takes(self, held: int) -> bool:
        """Say whether it is to be given a call while it has so many; ahead only behind what will soon be done."""
        if self.hello is None or len(self.calls) != held:
            return False
        return not self.calls or (self.calls[0].seconds < FRESH_SECONDS and not self.calls[0].units[0].alone)


@dataclass(frozen=True)
class _Ended:
    """A call, or a worker's start (no call), has ended."""

    slot: _Slot
    life: int
    call: _Call | None
    future: "Future[Any]"


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
        self.settings = settings
        self.trained = 0
        self._failed = 0
        self._trainer = trainer
        self._commit, self._landed, self._lost, self._listener = commit, landed, lost, listener
        self._events: queue.SimpleQueue[Sequence[Unit] | _Ended | None] = queue.SimpleQueue()
        self._slots = [_Slot(number) for number in range(settings.workers)]
        self._waiting: deque[Unit] = deque()
        self._pace = Pace()
        self._data: dict[str, Any] = {}
        self._failed_starts = 0
        self._ready_at = time.monotonic()
        self._error: BaseException | None = None
        self._closing = False
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    @property
    def hands(self) -> int:
        """How many units the workers have when they are busy."""
        return self.settings.workers * self._pace.units * self._pace.ahead

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

    def stop(self, error: BaseException) -> None:
        """End everything because of an error."""
        self._error = self._error or _told(error)
        self._events.put(None)

    def close(self) -> None:
        """End the workers, whatever they are doing."""
        with self._lock:
            self._closing = True
        self._events.put(None)
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(CLOSE_SECONDS)

    def activity(self) -> Activity:
        """Return what the workers are at."""
        alive = [slot for slot in self._slots if slot.hello is not None]
        calls = [call for slot in alive for call in list(slot.calls)]
        running = sum(len(call.units[0].specs) for call in calls if call.since is not None)
        held = sum(call.children for call in calls)
        waiting = sum(len(unit.specs) for unit in list(self._waiting))
        return Activity(len(alive), running, waiting + held - running, self.trained, self._failed)

    # What follows runs in the thread alone.

    def _run(self) -> None:
        try:
            for slot in self._slots:
                self._hire(slot)
            while not self._closing and self._error is None:
                self._give()
                self._take(self._next_events())
                self._check_time()
        except BaseException as error:  # noqa: BLE001 - whoever waits is told
            self._error = error
        finally:
            for slot in self._slots:
                self._fire(slot)
        end = self._error or WorkerError("the evaluator was closed before this child was trained.")
        self._error = end = _told(end)
        self._lost(end)

    def _next_events(self) -> list[Sequence[Unit] | _Ended | None]:
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
        timeout = self.settings.timeout
        return POLL_SECONDS if timeout is None else max(min(POLL_SECONDS, timeout / 4), 0.01)

    # Workers come and go.

    @functools.cached_property
    def _actors(self) -> Any:  # noqa: ANN401 - Ray's
        """The actor class, made once: to Ray each is another, which it takes apart and sends round."""
        import ray

        return ray.remote(Worker).options(
            num_cpus=self.settings.cpus,
            num_gpus=self.settings.gpus,
            max_restarts=0,
            max_task_retries=0,
            scheduling_strategy="SPREAD",
            enable_task_events=False,  # what Ray's dashboard would show of each call costs more than the call
        )

    def _hire(self, slot: _Slot) -> None:
        slot.life += 1
        slot.hello = None
        slot.calls = deque()
        slot.actor = self._actors.remote(self._trainer)
        self._follow(slot, None, slot.actor.hello.remote())

    def _follow(self, slot: _Slot, call: _Call | None, reference: Any) -> None:  # noqa: ANN401 - a Ray reference
        """Have the end of a call come through the queue."""
        life, events = slot.life, self._events
        reference.future().add_done_callback(lambda future: events.put(_Ended(slot, life, call, future)))

    def _fire(self, slot: _Slot) -> None:
        import ray

        actor, slot.actor, slot.hello = slot.actor, None, None
        if actor is not None:
            with suppress(Exception):  # it is dead already, or the cluster is
                ray.kill(actor, no_restart=True)

    def _welcome(self, slot: _Slot, future: "Future[Any]") -> None:
        error = future.exception()
        if error is not None:
            self._failed_starts += 1
            if self._failed_starts >= START_TRIES * self.settings.workers:
                raise WorkerError(f"workers cannot be started; the last one said: {_last_line(_said(error))}")
            self._tell(WorkerLogged(slot.name, "lost", "", f"it did not start: {_last_line(_said(error))}"))
            self._fire(slot)
            self._hire(slot)
            return
        hello: Hello = future.result()
        ours = Versions.here()
        if hello.versions != ours:
            raise WorkerError(
                f"a worker on {hello.host} runs {_versions(hello.versions)}, this search {_versions(ours)}; "
                "install the same on every machine of the cluster."
            )
        self._failed_starts = 0
        slot.hello = hello
        detail = f"pid {hello.pid}" + (f", CUDA_VISIBLE_DEVICES={hello.devices}" if self.settings.gpus else "")
        self._tell(WorkerLogged(slot.name, "started", hello.host, detail))

    def _replace(self, slot: _Slot, why: str) -> None:
        """Put a new worker in a lost one's place."""
        self._tell(WorkerLogged(slot.name, "lost", slot.hello.host if slot.hello else "", why))
        self._fire(slot)
        self._hire(slot)

    # Calls are made and come back.

    def _give(self) -> None:
        """Give units to workers, to those without any first."""
        for held in range(self._pace.ahead):
            for slot in self._slots:
                if not self._waiting or (held and self._waiting[0].alone):  # alone it shall be to the end
                    return
                units = self._cut(slot) if slot.takes(held) else []
                if units:
                    self._send(slot, units)

    def _cut(self, slot: _Slot) -> list[Unit]:
        """Take units for a call from those that wait: as many as make it worth its cost, but a fair share at most."""
        fair = -(-len(self._waiting) // (2 * self.settings.workers))
        most = max(1, min(self._pace.units, fair))
        first = self._first(slot)
        if first is None:
            return []
        units = [first]
        while not first.alone and len(units) < most and self._waiting and not self._waiting[0].alone:
            units.append(self._waiting.popleft())
        return units

    def _first(self, slot: _Slot) -> Unit | None:
        """Take the first unit that this worker has not failed at; one that it has is left to a worker that is free."""
        for place, unit in enumerate(self._waiting):
            if unit.shunned != slot.number:
                del self._waiting[place]
                return unit
        ready = (other for other in self._slots if other is not slot and other.hello is not None)
        return None if any(len(other.calls) <= len(slot.calls) for other in ready) else self._waiting.popleft()

    def _send(self, slot: _Slot, units: list[Unit]) -> None:
        call = _Call(units)
        slot.calls.append(call)
        if len(slot.calls) == 1:
            call.since = time.monotonic()
        data = {unit.data: self._reference(unit) for unit in units}
        orders = [self._order(unit, slot) for unit in units]
        self._follow(slot, call, slot.actor.train.remote(orders, list(data.items())))

    def _order(self, unit: Unit, slot: _Slot) -> Order:
        folder = self.settings.weights_folder
        shared = folder is not None and slot.hello is not None and slot.hello.node == self._node
        parents: dict[str, bytes] = {}
        if folder is not None and not shared:
            for spec in unit.specs.values():
                file = folder / f"{spec.parent}.safetensors"
                if spec.parent is not None and file.is_file():
                    parents[spec.parent] = file.read_bytes()
        return Order(
            specs=unit.texts,
            data=unit.data,
            size=unit.size,
            parts=unit.parts,
            keep_weights=unit.keep_weights,
            parents=parents,
            folder=str(folder) if shared else None,
            debug=self.settings.debug,
        )

    @functools.cached_property
    def _node(self) -> str | None:
        """The id of the node whose files are this process's; None: a client of a cluster shares none."""
        import ray

        client: bool = ray.util.client.ray.is_connected()  # type: ignore[no-untyped-call]
        return None if client else ray.get_runtime_context().get_node_id()

    def _reference(self, unit: Unit) -> Any:  # noqa: ANN401 - a Ray reference
        """Return the unit's data set in the object store, where all workers of a machine share it."""
        if unit.data not in self._data:
            self._data[unit.data] = self._put(next(iter(unit.specs.values())))
        return self._data[unit.data]

    def _put(self, spec: ChildSpec) -> Any:  # noqa: ANN401 - a Ray reference
        import ray

        if not self._trainer.needs_data:
            return None
        from aen.data import load_dataset
        from aen_agents.evaluators.worker import pack

        return ray.put(pack(load_dataset(spec.data)))

    def _take(self, events: Sequence[Sequence[Unit] | _Ended | None]) -> None:
        """Take in what happened; all results that came together are stored together, while workers train the next."""
        results: list[tuple[Evaluation, ChildSpec, str]] = []
        try:
            for event in events:
                if event is None:
                    continue
                if not isinstance(event, _Ended):
                    self._waiting.extend(event)
                elif event.life == event.slot.life and event.slot.actor is not None:
                    if event.call is None:
                        self._welcome(event.slot, event.future)
                    else:
                        results += self._back(event.slot, event.call, event.future)
            self._give()  # now: no worker shall wait for the store
        finally:
            self._land(results)  # also when one of them ends everything

    def _land(self, results: Sequence[tuple[Evaluation, ChildSpec, str]]) -> None:
        if not results:
            return
        pairs = [(evaluation, spec) for evaluation, spec, _ in results]
        self._commit(pairs)
        self.trained += len(pairs)
        self._failed += sum(evaluation.status == "failed" for evaluation, _ in pairs)
        self._landed(pairs)
        for evaluation, _, worker in results:
            if evaluation.status != "failed":
                seconds = evaluation.seconds
                self._tell(ChildLogged(evaluation.key, worker, "finished", evaluation.status, seconds))
        if self._failed == self.trained >= FAILURES_AT_FIRST:
            failure = (pairs[-1][0].record or {})["failure"]
            said = _last_line(failure["traceback"]) or failure["kind"]
            raise WorkerError(f"each of the first {self.trained} children failed; the last one: {said}")

    def _back(self, slot: _Slot, call: _Call, future: "Future[Any]") -> list[tuple[Evaluation, ChildSpec, str]]:
        """Take a call back; return what there is to store."""
        error = future.exception()
        if error is not None:
            return self._died(slot, error)
        slot.calls.remove(call)
        if slot.calls and slot.calls[0].since is None:
            slot.calls[0].since = time.monotonic()
        results = []
        outcomes: Sequence[Outcome] = future.result()
        for unit, outcome in zip(call.units, outcomes, strict=True):
            self._pace.took(outcome.seconds)
            if outcome.fault is not None:
                results += self._faulty(slot, unit, outcome.fault, outcome.seconds, outcome.traceback)
                continue
            self._write(outcome)
            for (key, spec), values in zip(unit.specs.items(), outcome.evaluations, strict=True):
                evaluation = Evaluation(**values)
                if evaluation.key != key:
                    raise WorkerError(
                        f"{slot.name} answered for {evaluation.key}, asked was {key}: its aen is another."
                    )
                results.append((evaluation, spec, slot.name))
        return results

    def _write(self, outcome: Outcome) -> None:
        """Write weights that travelled; they appear whole or not at all."""
        folder = self.settings.weights_folder
        for name, content in outcome.weights.items():
            if folder is None or Path(name).name != name:
                raise WorkerError(f"a worker sent weights by the name {name!r}, which is none.")
            part = folder / f"{name}.part"
            try:
                folder.mkdir(parents=True, exist_ok=True)
                part.write_bytes(content)
                part.replace(folder / name)
            except OSError as error:
                raise WorkerError(f"weights cannot be written to {folder}: {error.strerror or error}") from error

    # Faults.

    def _check_time(self) -> None:
        """See who takes too long, and whether anybody is there at all."""
        now = time.monotonic()
        results: list[tuple[Evaluation, ChildSpec, str]] = []
        for slot in self._slots:
            if slot.calls:
                results += self._check_call(slot, slot.calls[0])
        self._land(results)
        if any(slot.hello is not None for slot in self._slots) or not self._waiting:
            self._ready_at = now
        elif now - self._ready_at > PATIENCE_SECONDS:
            raise WorkerError(
                f"no worker has been ready for {PATIENCE_SECONDS:g} s; the cluster has {room()}, room for "
                f"{room().workers(self.settings.cpus, self.settings.gpus)} of {self.settings.workers} workers."
            )

    def _check_call(self, slot: _Slot, call: _Call) -> list[tuple[Evaluation, ChildSpec, str]]:
        """End a worker that takes too long for a child, or holds up others too long."""
        timeout, seconds, alone = self.settings.timeout, call.seconds, len(call.units) == 1
        late = timeout is not None and seconds > timeout * max(len(unit.specs) for unit in call.units)
        if not late and (seconds <= HELD_UP_SECONDS or (alone and len(slot.calls) == 1)):
            return []
        slot.calls.popleft()
        self._spare(slot)
        results: list[tuple[Evaluation, ChildSpec, str]] = []
        why = f"a child took longer than {timeout:g} s" if late else f"a child held up others for {seconds:.0f} s"
        if late and alone and call.units[0].size == 1:
            said = f"it took longer than evaluator.timeout, {timeout:g} s"
            results = self._give_up(slot, call.units[0], "timeout", seconds, said)
        else:
            for unit in reversed(call.units):  # each goes to the front
                self._again(slot, unit, unit.cut(1) if late and alone else [unit.again()], "timeout", why)
        self._replace(slot, why)
        return results

    def _spare(self, slot: _Slot) -> None:
        """Take back the calls that a worker had not begun: they are not at fault."""
        for call in reversed(slot.calls):
            self._waiting.extendleft(reversed(call.units))
        slot.calls.clear()

    def _died(self, slot: _Slot, error: BaseException) -> list[tuple[Evaluation, ChildSpec, str]]:
        """A worker is gone, and with it what it had."""
        said = _said(error)
        # What it answered last may be lost too, so any of its calls may be the one that it died of.
        seconds, suspects = slot.calls[0].seconds, [unit for call in slot.calls for unit in call.units]
        slot.calls.clear()
        results = []
        for unit in reversed(suspects):  # each goes to the front
            if len(suspects) > 1:  # who of them was it?
                self._again(slot, unit, [unit.again()], "died", said)
            elif unit.size > 1:  # too little memory is a likely cause
                self._again(slot, unit, unit.smaller(), "died", said)
            elif unit.strikes < self.settings.retries:
                self._again(slot, unit, [unit.again(strikes=unit.strikes + 1)], "died", said)
            else:
                results += self._give_up(slot, unit, "died", seconds, said)
        self._replace(slot, _last_line(said))
        return results

    def _faulty(
        self, slot: _Slot, unit: Unit, fault: FaultKind, seconds: float, said: str
    ) -> list[tuple[Evaluation, ChildSpec, str]]:
        """A unit raised an error."""
        next_try: list[Unit] = []
        if fault == "out_of_memory":
            next_try = unit.smaller()
        elif unit.size > 1:  # who of them was it?
            next_try = unit.cut(1)
        elif fault == "error" and unit.strikes < self.settings.retries:
            next_try = [unit.again(strikes=unit.strikes + 1, shunned=slot.number)]
        if not next_try:
            return self._give_up(slot, unit, "error" if fault == "invalid" else fault, seconds, said)
        self._again(slot, unit, next_try, fault, said)
        return []

    def _again(self, slot: _Slot, unit: Unit, next_try: Sequence[Unit], fault: str, said: str) -> None:
        self._waiting.extendleft(reversed(next_try))
        for key in unit.specs:
            self._tell(ChildLogged(key, slot.name, "requeued", fault, 0.0, _last_line(said)))

    def _give_up(
        self, slot: _Slot, unit: Unit, kind: str, seconds: float, said: str
    ) -> list[tuple[Evaluation, ChildSpec, str]]:
        """Return the failure of each child of a unit, to be stored like results."""
        results = []
        for key, spec in unit.specs.items():
            self._tell(ChildLogged(key, slot.name, "failed", kind, seconds, _last_line(said)))
            failure = {"kind": kind, "tries": unit.tries + 1, "traceback": said[-_TRACEBACK_CHARACTERS:]}
            evaluation = Evaluation(
                key=key,
                class_key=spec.class_key,
                seed=spec.seed,
                status="failed",
                train_loss=0.0,
                train_accuracy=0.0,
                validation_loss=0.0,
                validation_accuracy=0.0,
                parameters=0,
                epochs=0.0,
                seconds=float(seconds),
                device=self.settings.device,
                threads=self.settings.threads,
                population=unit.size,
                record={"failure": failure},
            )
            results.append((evaluation, spec, slot.name))
        return results

    def _tell(self, event: ChildLogged | WorkerLogged | Notice) -> None:
        with suppress(Exception):  # who watches must not be able to end what is watched
            self._listener(event)


_ANSI = re.compile(r"\x1b\[[0-9;]*m")


def _said(error: BaseException) -> str:
    """Return what an error says, without Ray's advice."""
    text = str(error).strip() or "".join(traceback.format_exception_only(error)).strip()
    return _ANSI.sub("", f"{type(error).__name__}: {text}")[-_TRACEBACK_CHARACTERS:]


def _told(error: BaseException) -> AenError:
    """Return an error in the form in which users are told of it."""
    if isinstance(error, AenError):
        return error
    told = WorkerError(f"the evaluator failed: {_last_line(_said(error))}")
    told.__cause__ = error
    return told


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1][:500] if lines else ""


def _versions(versions: Versions) -> str:
    return f"aen {versions.aen}, Python {versions.python}, torch {versions.torch}"
