"""Evaluator: turns specs into evaluations, by training children or by looking them up."""

import queue
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Protocol, SupportsIndex, runtime_checkable

from aen._fields import shown
from aen.children.spec import ChildSpec
from aen.errors import SpecError
from aen.evaluators.pickling import check_picklable
from aen.results.evaluation import Evaluation


@dataclass(frozen=True)
class InTraining:
    """What a worker is training.

    Attributes:
        worker: name of the worker.
        node: name or address of its machine; None: this one.
        child: name of the child, or of the first one of a population; None: it waits for work.
        children: how many it trains side by side.
        seconds: since when; 0.0 if it waits.
    """

    worker: str
    node: str | None
    child: str | None
    children: int
    seconds: float


@dataclass(frozen=True)
class Activity:
    """The counts of an evaluator, for progress displays.

    Attributes:
        workers: how many are alive.
        running: children that workers are training.
        waiting: children that wait for a worker.
        trained: children trained so far, not counting those looked up.
        failed: how many of these failed.
        in_training: what each worker is training; empty: not known.
    """

    workers: int
    running: int
    waiting: int
    trained: int
    failed: int
    in_training: tuple[InTraining, ...] = ()


@runtime_checkable
class Evaluator(Protocol):
    """Trains children, or looks them up; an environment does not know which.

    A subclass needs `submit` alone. The other members have defaults, which suit an evaluator that answers at once and
    holds nothing. `copy.copy` and `copy.deepcopy` of a subclass's object return the object itself, because the store,
    the workers and the children in flight exist once.
    """

    def __init_subclass__(cls) -> None:
        # Not methods of this class: as members of the protocol, other classes would have to have them.
        super().__init_subclass__()
        for name in ("__copy__", "__deepcopy__"):
            if not hasattr(cls, name):
                setattr(cls, name, _itself)

    def __reduce_ex__(self, protocol: SupportsIndex) -> str | tuple[Any, ...]:
        """Pickle the evaluator, for another process.

        Raises:
            SpecError: it holds what cannot be pickled, such as a lock.
        """
        reduced = super().__reduce_ex__(protocol)
        check_picklable(self, reduced)
        return reduced

    @property
    def parallelism(self) -> int:
        """How many children it trains at a time."""
        return 1

    @property
    def capacity(self) -> int:
        """How many specs to have submitted at a time so that no worker waits; `stream` keeps to it."""
        return self.parallelism

    @property
    def trained(self) -> int:
        """How many children it has trained, not counting those it looked up."""
        return 0

    @property
    def weights_folder(self) -> Path | None:
        """Where weights are kept, and where those of parents are found; None: it keeps none."""
        return None

    def start(self) -> None:
        """Start the workers now, so that they are ready when the first specs are submitted."""

    def activity(self) -> Activity:
        """Return how many workers and children there are; may be called from any thread."""
        return Activity(self.parallelism, running=0, waiting=0, trained=self.trained, failed=0)

    def submit(self, specs: Sequence[ChildSpec], *, keep_weights: bool = False) -> list[Future[Evaluation]]:
        """Start the evaluation of some specs.

        Args:
            specs: what to evaluate; equal keys are trained once.
            keep_weights: keep the trained weights and name their file in the evaluation.

        Returns:
            One future per spec, in the same order; they may or may not be done.
        """
        ...

    def close(self) -> None:
        """Stop working and free what is held."""


def _itself(evaluator: Evaluator, *_: object) -> Evaluator:
    return evaluator


def evaluate(evaluator: Evaluator, specs: Sequence[ChildSpec], *, keep_weights: bool = False) -> list[Evaluation]:
    """Submit specs and wait for all of them."""
    return [future.result() for future in submit_checked(evaluator, specs, keep_weights=keep_weights)]


def submit_checked(
    evaluator: Evaluator, specs: Sequence[ChildSpec], *, keep_weights: bool = False
) -> list[Future[Evaluation]]:
    """Submit specs, and check that the evaluator, which may be of the user's own class, returns a future for each.

    Raises:
        SpecError: it does not.
    """
    found: Any = evaluator.submit(specs, keep_weights=keep_weights)
    if isinstance(found, Sequence) and len(found) == len(specs) and all(hasattr(each, "result") for each in found):
        return list(found)
    raise SpecError(
        f"evaluator {type(evaluator).__name__}.submit returned {shown(found)} for {len(specs)} specs; it must return a "
        "list of one concurrent.futures.Future for each."
    )


def stream(
    evaluator: Evaluator,
    specs: Sequence[ChildSpec],
    *,
    keep_weights: bool = False,
    until: Callable[[], bool] = lambda: False,
) -> Iterator[tuple[int, Evaluation]]:
    """Evaluate many specs, yielding (place in `specs`, evaluation) as they finish, in any order.

    Once `until` returns True no more are submitted, and the iterator ends after those in flight.

    At most `evaluator.capacity` specs are in flight, so that progress shows and a stop loses little. They are refilled
    by an eighth of it at a time, since a store needs nearly as long to look up one as many.
    """
    waiting = iter(range(len(specs)))
    in_flight: dict[Future[Evaluation], list[int]] = {}
    # By callbacks: looking through all futures whenever one is done would cost more than storing its result.
    arrived: queue.SimpleQueue[Future[Evaluation]] = queue.SimpleQueue()
    while True:
        capacity = evaluator.capacity
        free = capacity - len(in_flight)
        places = list(islice(waiting, free)) if free >= max(capacity // 8, 1) and not until() else []
        if places:
            futures = evaluator.submit([specs[place] for place in places], keep_weights=keep_weights)
            for future, place in zip(futures, places, strict=True):
                if future in in_flight:
                    in_flight[future].append(place)
                else:
                    in_flight[future] = [place]
                    future.add_done_callback(arrived.put)
        if not in_flight:
            return
        done = [arrived.get()]
        while not arrived.empty():
            done.append(arrived.get())
        for future in sorted(done, key=lambda f: in_flight[f][0]):
            for place in in_flight.pop(future):
                yield place, future.result()
