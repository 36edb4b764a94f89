"""Slots of workers: the calls that each worker has, and the choice of the units that it gets next."""

import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from aen.evaluators import InTraining
from aen_agents.evaluators.ray.protocol import WorkerInfo
from aen_agents.evaluators.ray.work_units import WorkUnit

# A worker gets a call ahead only if its current one has run for less than this.
AHEAD_WITHIN_SECONDS = 1.0


@dataclass(eq=False)
class Call:
    """A call to a worker: units that it trains one after the other.

    Attributes:
        units: in order.
        since: time at which it became the first of its worker's calls, or None.
    """

    units: list[WorkUnit]
    since: float | None = None

    @property
    def children(self) -> int:
        """Number of children of its units."""
        return sum(len(unit.specs) for unit in self.units)

    @property
    def seconds(self) -> float:
        """Time since its training began."""
        return 0.0 if self.since is None else time.monotonic() - self.since


@dataclass(eq=False)
class Slot:
    """The slot of a worker. A worker that is lost is replaced by another one in the same slot.

    Attributes:
        number: of the slot.
        life: number of workers that the slot has had, including the current one.
        actor: handle of the worker; None while another one is being started.
        info: what the worker reported when it was ready.
        calls: its calls; the first one is being trained.
    """

    number: int
    life: int = 0
    actor: Any = None
    info: WorkerInfo | None = None
    calls: deque[Call] = field(default_factory=deque)

    @property
    def name(self) -> str:
        """The worker's name; each life has its own."""
        return f"worker-{self.number}.{self.life}"

    @property
    def units(self) -> list[WorkUnit]:
        """The units of all its calls, in order."""
        return [unit for call in self.calls for unit in call.units]

    def in_training(self) -> InTraining:
        """Return what the worker is training; may be called from any thread."""
        info, calls = self.info, list(self.calls)
        node = None if info is None else info.host
        if not calls or not calls[0].units:
            return InTraining(self.name, node, None, 0, 0.0)
        specs = list(calls[0].units[0].specs.values())
        return InTraining(self.name, node, specs[0].name if specs else None, len(specs), calls[0].seconds)

    def takes(self, held: int) -> bool:
        """Return whether it can take a call if it has `held` calls; ahead only if the current call is short."""
        if self.info is None or len(self.calls) != held:
            return False
        return not self.calls or (self.calls[0].seconds < AHEAD_WITHIN_SECONDS and not self.calls[0].units[0].alone)

    def add(self, call: Call) -> None:
        """Add a call; if it is the only one, its training begins now."""
        self.calls.append(call)
        if len(self.calls) == 1:
            call.since = time.monotonic()

    def remove(self, call: Call) -> None:
        """Remove a call that has ended; the training of the next one begins now."""
        self.calls.remove(call)
        if self.calls and self.calls[0].since is None:
            self.calls[0].since = time.monotonic()


@dataclass(frozen=True)
class Started:
    """Event: the start of a worker has ended.

    Attributes:
        actor: handle of the worker.
        future: of its `WorkerInfo`.
    """

    actor: Any
    future: "Future[Any]"


@dataclass(frozen=True)
class Ended:
    """Event: a call has ended.

    Attributes:
        slot: of the worker.
        life: of the slot when the call was made.
        call: that has ended.
        future: of its results.
    """

    slot: Slot
    life: int
    call: Call
    future: "Future[Any]"

    @property
    def current(self) -> bool:
        """Whether the slot still has the same worker; the calls of an earlier one have been dealt with."""
        return self.life == self.slot.life and self.slot.actor is not None


def take_share(waiting: deque[WorkUnit], slot: Slot, slots: Sequence[Slot], *, worth: int) -> list[WorkUnit]:
    """Take the units of a worker's next call from the queue, at most a fair share of it.

    Args:
        waiting: queue of units, not empty; the units that are returned are removed from it.
        slot: of the worker.
        slots: of all workers.
        worth: number of units that a call should have.

    Returns:
        The units; empty if those in the queue should be left to other workers.
    """
    fair = -(-len(waiting) // (2 * len(slots)))
    most = max(1, min(worth, fair))
    first = _take_first(waiting, slot, slots)
    if first is None:
        return []
    units = [first]
    while not first.alone and len(units) < most and waiting and not waiting[0].alone:
        units.append(waiting.popleft())
    return units


def _take_first(waiting: deque[WorkUnit], slot: Slot, slots: Sequence[Slot]) -> WorkUnit | None:
    """Take the first unit that has not failed on this worker; one that has is left to another worker if one is free."""
    for place, unit in enumerate(waiting):
        if unit.shunned != slot.number:
            del waiting[place]
            return unit
    ready = (other for other in slots if other is not slot and other.info is not None)
    return None if any(len(other.calls) <= len(slot.calls) for other in ready) else waiting.popleft()
