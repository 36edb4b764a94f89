"""The children that a `RemoteEvaluator` waits for, and their futures."""

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field

from aen.results.evaluation import Evaluation
from aen_service.rewards.connection import RemoteError


@dataclass
class Entry:
    """A child that the service evaluates: its JSON, and the futures of all who wait for it."""

    content: bytes
    futures: list[Future[Evaluation]] = field(default_factory=list)


@dataclass(frozen=True)
class Canceller:
    """Notices that a future was cancelled, and tells its key."""

    tell: Callable[[str], None]
    key: str

    def __call__(self, future: "Future[Evaluation]") -> None:
        """Look at a future that is done."""
        if future.cancelled():
            self.tell(self.key)


def settle(future: "Future[Evaluation]", outcome: Evaluation | RemoteError) -> None:
    """Finish a future, unless it was cancelled."""
    if future.set_running_or_notify_cancel():
        if isinstance(outcome, Evaluation):
            future.set_result(outcome)
        else:
            future.set_exception(outcome)
