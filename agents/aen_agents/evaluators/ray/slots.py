"""Slots: the places of workers, the calls that each has, and which work units it is given next."""

import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from aen_agents.evaluators.ray.work_units import Unit
from aen_agents.evaluators.ray.worker import Hello

# A worker gets its next call ahead only if its present one has not lasted so long.
FRESH_SECONDS = 1.0


@dataclass(eq=False)
class Call:
    """Units that a worker has.

    Attributes:
        units: in their order.
        since: when it became the first of its worker's calls, or None.
    """

    units: list[Unit]
    since: float | None = None

    @property
    def children(self) -> int:
        """How many children its units have."""
        return sum(len(unit.specs) for unit in self.units)

    @property
    def seconds(self) -> float:
        """For how long it has been trained."""
        return 0.0 if self.since is None else time.monotonic() - self.since


@dataclass(eq=False)
class Slot:
    """A worker's place; when the worker is lost, another takes it.

    Attributes:
        number: of the place.
        life: of how many workers in this place this one is the last.
        actor: its handle; None: it has no worker, another is being started.
        hello: what that said of itself.
        calls: what it has, the first being trained.
    """

    number: int
    life: int = 0
    actor: Any = None
    hello: Hello | None = None
    calls: deque[Call] = field(default_factory=deque)

    @property
    def name(self) -> str:
        """The worker's name, another for each life."""
        return f"worker-{self.number}.{self.life}"

    @property
    def units(self) -> list[Unit]:
        """The units of all its calls, in their order."""
        return [unit for call in self.calls for unit in call.units]

    def takes(self, held: int) -> bool:
        """Say whether it is to be given a call while it has so many; ahead only behind what will soon be done."""
        if self.hello is None or len(self.calls) != held:
            return False
        return not self.calls or (self.calls[0].seconds < FRESH_SECONDS and not self.calls[0].units[0].alone)

    def add(self, call: Call) -> None:
        """Note a call that it is given; the first is trained at once."""
        self.calls.append(call)
        if len(self.calls) == 1:
            call.since = time.monotonic()

    def remove(self, call: Call) -> None:
        """Take out a call that came back; the next one is trained now."""
        self.calls.remove(call)
        if self.calls and self.calls[0].since is None:
            self.calls[0].since = time.monotonic()


@dataclass(frozen=True)
class Start:
    """The start of a worker has ended.

    Attributes:
        actor: its handle.
        future: of what it says of itself.
    """

    actor: Any
    future: "Future[Any]"


@dataclass(frozen=True)
class Ended:
    """A call has ended.

    Attributes:
        slot: the worker's place.
        life: which worker it was.
        call: that has ended.
        future: of what it came to.
    """

    slot: Slot
    life: int
    call: Call
    future: "Future[Any]"

    @property
    def current(self) -> bool:
        """Whether that worker is still in its place; what came of another is taken care of."""
        return self.life == self.slot.life and self.slot.actor is not None


def take_share(waiting: deque[Unit], slot: Slot, slots: Sequence[Slot], *, worth: int) -> list[Unit]:
    """Take units for a call from those that wait: as many as make it worth its cost, but a fair share at most.

    Args:
        waiting: the units, in their order; not empty. What is taken is gone from it.
        slot: whose worker is given them.
        slots: of all workers.
        worth: so many units make a call worth its cost.

    Returns:
        The units; none if those that wait are better left to other workers.
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


def _take_first(waiting: deque[Unit], slot: Slot, slots: Sequence[Slot]) -> Unit | None:
    """Take the first unit that this worker has not failed at; one that it has is left to a worker that is free."""
    for place, unit in enumerate(waiting):
        if unit.shunned != slot.number:
            del waiting[place]
            return unit
    ready = (other for other in slots if other is not slot and other.hello is not None)
    return None if any(len(other.calls) <= len(slot.calls) for other in ready) else waiting.popleft()
