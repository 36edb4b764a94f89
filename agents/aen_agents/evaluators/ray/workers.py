"""The workers of a cluster: starts them, adds those that are ready, and replaces those that are lost."""

import functools
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from aen._subprocesses import import_path
from aen.evaluators.processes import WorkerError
from aen_agents.evaluators.ray.cluster import cluster_resources
from aen_agents.evaluators.ray.faults import last_line, text_of
from aen_agents.evaluators.ray.protocol import Trainer, Versions, WorkerInfo
from aen_agents.evaluators.ray.settings import Settings
from aen_agents.evaluators.ray.slots import Call, Ended, Slot, Started
from aen_agents.evaluators.ray.worker import Worker
from aen_agents.events import WorkerLogged

# The search stops if no worker has been ready for this long.
READY_SECONDS = 180.0
# The search stops after this many failed starts in a row, for each worker that it should have.
START_TRIES = 3


class Workers:
    """The workers of a cluster. Used only from the dispatcher's thread.

    Args:
        settings: of the training.
        trainer: trains on the workers.
        ended: is called with calls and starts that have ended, from threads of Ray.
        notify: gets events about workers.

    Attributes:
        slots: one for each worker.
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
        self._failed_starts = 0
        self._ready_at = time.monotonic()

    @functools.cached_property
    def _actor_class(self) -> Any:  # noqa: ANN401 - Ray's
        """The actor class, created once: Ray exports every new one to the cluster."""
        import ray

        return ray.remote(Worker)

    def start_missing(self) -> None:
        """Start workers for empty slots, with a limit on those that are starting at a time."""
        missing = sum(slot.actor is None for slot in self.slots) - len(self._starting)
        for _ in range(min(missing, self._settings.starts - len(self._starting))):
            actor = self._actor_class.options(
                num_cpus=self._settings.cpus,
                num_gpus=self._settings.gpus,
                max_restarts=0,  # a restart would take as long as a new actor, and could not be limited in number
                max_task_retries=0,
                scheduling_strategy="SPREAD",
                enable_task_events=False,  # recording each call for Ray's dashboard costs more than the call
            ).remote(self._trainer, import_path())
            self._starting.add(actor)
            self._follow_start(actor)

    def _follow_start(self, actor: Any) -> None:  # noqa: ANN401 - Ray's
        ended = self._ended
        actor.info.remote().future().add_done_callback(lambda future: ended(Started(actor, future)))

    def follow(self, slot: Slot, call: Call, reference: Any) -> None:  # noqa: ANN401 - a Ray reference
        """Have `ended` called at the end of a call."""
        life, ended = slot.life, self._ended
        reference.future().add_done_callback(lambda future: ended(Ended(slot, life, call, future)))

    def replace(self, slot: Slot, why: str) -> None:
        """Stop the worker of a slot, if it is still alive, and start another one."""
        self._notify(WorkerLogged(slot.name, "lost", slot.info.host if slot.info else "", why))
        actor, slot.actor, slot.info = slot.actor, None, None
        slot.calls = deque()
        _kill(actor)
        self.start_missing()

    def add(self, start: Started) -> None:
        """Put a worker that is ready into an empty slot; if it failed to start, start another one.

        Raises:
            WorkerError: too many have failed to start, or the worker runs other versions than the search.
        """
        self._starting.discard(start.actor)
        slot = next(slot for slot in self.slots if slot.actor is None)  # as many are started as there are empty slots
        error = start.future.exception()
        if error is not None:
            self._failed_starts += 1
            reason = last_line(text_of(error))
            if self._failed_starts >= START_TRIES * self._settings.workers:
                raise WorkerError(f"workers cannot be started; the last one failed with: {reason}")
            self._notify(WorkerLogged(slot.name, "lost", "", f"it did not start: {reason}"))
            _kill(start.actor)
            self.start_missing()
            return
        info: WorkerInfo = start.future.result()
        _check_versions(info)
        self._failed_starts = 0
        slot.life += 1
        slot.actor, slot.info = start.actor, info
        detail = f"pid {info.pid}" + (f", CUDA_VISIBLE_DEVICES={info.devices}" if self._settings.gpus else "")
        self._notify(WorkerLogged(slot.name, "started", info.host, detail))
        self.start_missing()

    def stop_all(self) -> None:
        """Stop all workers, busy or not."""
        for actor in [slot.actor for slot in self.slots] + [*self._starting]:
            _kill(actor)
        for slot in self.slots:
            slot.actor, slot.info = None, None

    def check_ready(self, now: float, *, wanted: bool) -> None:
        """Check that at least one worker is ready.

        Args:
            now: the time.
            wanted: whether there are units in the queue.

        Raises:
            WorkerError: no worker has been ready for too long although there were units in the queue.
        """
        if any(slot.info is not None for slot in self.slots) or not wanted:
            self._ready_at = now
        elif now - self._ready_at > READY_SECONDS:
            cpus, gpus, workers = self._settings.cpus, self._settings.gpus, self._settings.workers
            has = cluster_resources()
            raise WorkerError(
                f"no worker has been ready for {READY_SECONDS:g} s; the cluster has {has}, room for "
                f"{has.workers(cpus, gpus)} of {workers} workers."
            )


def _kill(actor: Any) -> None:  # noqa: ANN401 - Ray's
    import ray

    if actor is not None:
        with suppress(Exception):  # the actor is dead already, or the cluster is lost
            ray.kill(actor, no_restart=True)


def _check_versions(info: WorkerInfo) -> None:
    ours = Versions.here()
    if info.versions != ours:
        raise WorkerError(
            f"a worker on {info.host} runs {_describe(info.versions)}, this search {_describe(ours)}; "
            "install the same on every machine of the cluster."
        )


def _describe(versions: Versions) -> str:
    return f"aen {versions.aen}, Python {versions.python}, torch {versions.torch}"
