"""The workers of a cluster: they are hired, welcomed when they are ready, ended, and others put in their places."""

import functools
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

from aen.evaluators.pool import WorkerError
from aen_agents.evaluators.cluster import room
from aen_agents.evaluators.faults import last_line, text_of
from aen_agents.evaluators.settings import Settings
from aen_agents.evaluators.slots import Call, Ended, Slot
from aen_agents.evaluators.worker import Hello, Trainer, Versions, Worker
from aen_agents.events import WorkerLogged

# So long may a cluster be without any worker that is ready, before the search gives up.
PATIENCE_SECONDS = 180.0
# So many workers in a row may fail to start, for each that there should be.
START_TRIES = 3


class Crew:
    """The workers; the dispatcher's thread alone tells it what to do.

    Args:
        settings: of the cluster.
        trainer: what trains on the workers.
        ended: is told of calls and starts that have ended, from threads of Ray.
        tell: is told of workers that come and go.

    Attributes:
        slots: their places.
    """

    def __init__(
        self,
        settings: Settings,
        trainer: Trainer,
        *,
        ended: Callable[[Ended], None],
        tell: Callable[[WorkerLogged], None],
    ) -> None:
        self.slots = [Slot(number) for number in range(settings.workers)]
        self._settings = settings
        self._trainer = trainer
        self._ended, self._tell = ended, tell
        self._failed_starts = 0
        self._ready_at = time.monotonic()

    @functools.cached_property
    def _actors(self) -> Any:  # noqa: ANN401 - Ray's
        """The actor class, made once: to Ray each is another, which it takes apart and sends round."""
        import ray

        return ray.remote(Worker).options(
            num_cpus=self._settings.cpus,
            num_gpus=self._settings.gpus,
            max_restarts=0,
            max_task_retries=0,
            scheduling_strategy="SPREAD",
            enable_task_events=False,  # what Ray's dashboard would show of each call costs more than the call
        )

    def hire(self, slot: Slot) -> None:
        """Start a worker in a place; its start will end like a call."""
        slot.life += 1
        slot.hello = None
        slot.calls = deque()
        slot.actor = self._actors.remote(self._trainer)
        self.follow(slot, None, slot.actor.hello.remote())

    def follow(self, slot: Slot, call: Call | None, reference: Any) -> None:  # noqa: ANN401 - a Ray reference
        """Have the end of a call told, or of a start."""
        life, ended = slot.life, self._ended
        reference.future().add_done_callback(lambda future: ended(Ended(slot, life, call, future)))

    def fire(self, slot: Slot) -> None:
        """End a worker, whatever it is doing."""
        import ray

        actor, slot.actor, slot.hello = slot.actor, None, None
        if actor is not None:
            with suppress(Exception):  # it is dead already, or the cluster is
                ray.kill(actor, no_restart=True)

    def replace(self, slot: Slot, why: str) -> None:
        """Put a new worker in a lost one's place."""
        self._tell(WorkerLogged(slot.name, "lost", slot.hello.host if slot.hello else "", why))
        self.fire(slot)
        self.hire(slot)

    def welcome(self, slot: Slot, future: "Future[Any]") -> None:
        """Have a worker be ready, or another start if it could not.

        Raises:
            WorkerError: too many could not, or it runs other versions than the search.
        """
        error = future.exception()
        if error is not None:
            self._failed_starts += 1
            if self._failed_starts >= START_TRIES * self._settings.workers:
                raise WorkerError(f"workers cannot be started; the last one said: {last_line(text_of(error))}")
            self._tell(WorkerLogged(slot.name, "lost", "", f"it did not start: {last_line(text_of(error))}"))
            self.fire(slot)
            self.hire(slot)
            return
        hello: Hello = future.result()
        _check_versions(hello)
        self._failed_starts = 0
        slot.hello = hello
        detail = f"pid {hello.pid}" + (f", CUDA_VISIBLE_DEVICES={hello.devices}" if self._settings.gpus else "")
        self._tell(WorkerLogged(slot.name, "started", hello.host, detail))

    def check_ready(self, now: float, *, wanted: bool) -> None:
        """Check that somebody is there to train.

        Args:
            now: the time.
            wanted: whether units wait for workers.

        Raises:
            WorkerError: no worker has been ready for too long while units waited.
        """
        if any(slot.hello is not None for slot in self.slots) or not wanted:
            self._ready_at = now
        elif now - self._ready_at > PATIENCE_SECONDS:
            cpus, gpus, workers = self._settings.cpus, self._settings.gpus, self._settings.workers
            raise WorkerError(
                f"no worker has been ready for {PATIENCE_SECONDS:g} s; the cluster has {room()}, room for "
                f"{room().workers(cpus, gpus)} of {workers} workers."
            )


def _check_versions(hello: Hello) -> None:
    ours = Versions.here()
    if hello.versions != ours:
        raise WorkerError(
            f"a worker on {hello.host} runs {_said(hello.versions)}, this search {_said(ours)}; "
            "install the same on every machine of the cluster."
        )


def _said(versions: Versions) -> str:
    return f"aen {versions.aen}, Python {versions.python}, torch {versions.torch}"
