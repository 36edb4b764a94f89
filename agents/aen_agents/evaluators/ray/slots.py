"""Places of workers, and the calls that each of them has."""

import time
from collections import deque
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
