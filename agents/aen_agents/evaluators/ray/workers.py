"""The workers of a cluster: they are hired, welcomed when they are ready, ended, and others put in their places."""

import functools
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from aen.evaluators.processes import WorkerError
from aen_agents.evaluators.ray.cluster import cluster_resources
from aen_agents.evaluators.ray.faults import last_line, text_of
from aen_agents.evaluators.ray.protocol import Trainer, Versions, WorkerInfo
from aen_agents.evaluators.ray.settings import Settings
from aen_agents.evaluators.ray.slots import Call, Ended, Slot, Started
from aen_agents.evaluators.ray.worker import Worker
from aen_agents.events import WorkerLogged

# So long may a cluster be without any worker that is ready, before the search gives up.
PATIENCE_SECONDS = 180.0
# So many workers in a row may fail to start, for each that there should be.
START_TRIES = 3
# Losses count as lately for so long.
LATELY_SECONDS = 60.0


class Workers:
    """The workers; the dispatcher's thread alone tells it what to do.

    Whoever is ready first takes the first place that is free. While workers are being lost, some are held in reserve:
    to start one takes a second of a core and more, to take another's place nothing.

    Args:
        settings: of the cluster.
        trainer: what trains on the workers.
        ended: is told of calls and starts that have ended, from threads of Ray.
        notify: is told of workers that come and go.

    Attributes:
        slots: their places.
    """

    def __init__(
        self,
        settings: Settings,
        trainer: Trainer,
        *,
        ended: Callable[[Ended | Started], None],
        notify: Callable[[WorkerLogged], None],
    ) -> None:
        self.slots = [Slot(number) for number in range(settings.workers)]
        self._settings = settings
        self._trainer = trainer
        self._ended, self._notify = ended, notify
        self._starting: set[Any] = set()
        self._holding: set[Any] = set()
        self._reserve: deque[tuple[Any, WorkerInfo]] = deque()
        self._losses: deque[float] = deque()
        self._failed_starts = 0
        self._ready_at = time.monotonic()

    @functools.cached_property
    def _actors(self) -> Any:  # noqa: ANN401 - Ray's
        """The actor class, made once: to Ray each is another, which it takes apart and sends round."""
        import ray

        return ray.remote(Worker)

    def start_missing(self) -> None:
        """Start as many workers as there are places without one, and as are wanted in reserve; not all at a time."""
        free = sum(slot.actor is None for slot in self.slots)
        missing = free + self._wanted() - len(self._starting) - len(self._reserve)
        for _ in range(min(missing, self._settings.starts - len(self._starting))):
            # There are cores for as many as there are places; the rest will take the places of such.
            holds_cores = len(self._holding) < self._settings.workers
            actor = self._actors.options(
                num_cpus=self._settings.cpus if holds_cores else 0,
                num_gpus=self._settings.gpus,
                max_restarts=0,
                max_task_retries=0,
                scheduling_strategy="SPREAD",
                enable_task_events=False,  # what Ray's dashboard would show of each call costs more than the call
            ).remote(self._trainer)
            if holds_cores:
                self._holding.add(actor)
            self._starting.add(actor)
            self._follow_start(actor)

    def dismiss(self) -> None:
        """End those in reserve that are not wanted any more."""
        while len(self._reserve) > self._wanted():
            self._end(self._reserve.pop()[0])

    def _wanted(self) -> int:
        """Return how many workers there shall be in reserve: as many as were lost lately."""
        while self._losses and time.monotonic() - self._losses[0] > LATELY_SECONDS:
            self._losses.popleft()
        return min(len(self._losses), self._settings.reserve)

    def _follow_start(self, actor: Any) -> None:  # noqa: ANN401 - Ray's
        ended = self._ended
        actor.info.remote().future().add_done_callback(lambda future: ended(Started(actor, future)))

    def follow(self, slot: Slot, call: Call, reference: Any) -> None:  # noqa: ANN401 - a Ray reference
        """Have the end of a call told."""
        life, ended = slot.life, self._ended
        reference.future().add_done_callback(lambda future: ended(Ended(slot, life, call, future)))

    def replace(self, slot: Slot, why: str) -> None:
        """Put another worker in a lost one's place, at once if there is one in reserve."""
        self._notify(WorkerLogged(slot.name, "lost", slot.info.host if slot.info else "", why))
        self._losses.append(time.monotonic())
        actor, slot.actor, slot.info = slot.actor, None, None
        slot.calls = deque()
        self._end(actor)
        if self._reserve:
            self._fill(slot, *self._reserve.popleft())
        self.start_missing()

    def _fill(self, slot: Slot, actor: Any, info: WorkerInfo) -> None:  # noqa: ANN401 - Ray's
        slot.life += 1
        slot.actor, slot.info = actor, info
        detail = f"pid {info.pid}" + (f", CUDA_VISIBLE_DEVICES={info.devices}" if self._settings.gpus else "")
        self._notify(WorkerLogged(slot.name, "started", info.host, detail))

    def add(self, start: Started) -> None:
        """Give a worker that is ready a place, or hold it in reserve; start another if it could not start.

        Raises:
            WorkerError: too many could not, or it runs other versions than the search.
        """
        self._starting.discard(start.actor)
        slot = next((slot for slot in self.slots if slot.actor is None), None)
        error = start.future.exception()
        if error is not None:
            self._failed_starts += 1
            if self._failed_starts >= START_TRIES * self._settings.workers:
                raise WorkerError(f"workers cannot be started; the last one said: {last_line(text_of(error))}")
            name = "reserve" if slot is None else slot.name
            self._notify(WorkerLogged(name, "lost", "", f"it did not start: {last_line(text_of(error))}"))
            self._end(start.actor)
            self.start_missing()
            return
        info: WorkerInfo = start.future.result()
        _check_versions(info)
        self._failed_starts = 0
        if slot is None:
            self._reserve.append((start.actor, info))
        else:
            self._fill(slot, start.actor, info)
        self.start_missing()

    def stop_all(self) -> None:
        """End all workers, whatever they are doing."""
        for actor in [slot.actor for slot in self.slots] + [*self._starting] + [actor for actor, _ in self._reserve]:
            self._end(actor)
        for slot in self.slots:
            slot.actor, slot.info = None, None

    def _end(self, actor: Any) -> None:  # noqa: ANN401 - Ray's
        import ray

        self._holding.discard(actor)
        if actor is not None:
            with suppress(Exception):  # it is dead already, or the cluster is
                ray.kill(actor, no_restart=True)

    def check_ready(self, now: float, *, wanted: bool) -> None:
        """Check that somebody is there to train.

        Args:
            now: the time.
            wanted: whether units wait for workers.

        Raises:
            WorkerError: no worker has been ready for too long while units waited.
        """
        if any(slot.info is not None for slot in self.slots) or not wanted:
            self._ready_at = now
        elif now - self._ready_at > PATIENCE_SECONDS:
            cpus, gpus, workers = self._settings.cpus, self._settings.gpus, self._settings.workers
            raise WorkerError(
                f"no worker has been ready for {PATIENCE_SECONDS:g} s; the cluster has {cluster_resources()}, room for "
                f"{cluster_resources().workers(cpus, gpus)} of {workers} workers."
            )


def _check_versions(info: WorkerInfo) -> None:
    ours = Versions.here()
    if info.versions != ours:
        raise WorkerError(
            f"a worker on {info.host} runs {_said(info.versions)}, this search {_said(ours)}; "
            "install the same on every machine of the cluster."
        )


def _said(versions: Versions) -> str:
    return f"aen {versions.aen}, Python {versions.python}, torch {versions.torch}"
