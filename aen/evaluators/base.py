"""Evaluator: what turns specs into evaluations, whoever trains them."""

import queue
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import islice
from typing import Protocol, runtime_checkable

from aen.children.spec import ChildSpec
from aen.results.evaluation import Evaluation


@dataclass(frozen=True)
class Activity:
    """What an evaluator is at, for those who watch.

    Attributes:
        workers: how many are alive.
        running: children that workers are training.
        waiting: children that wait for a worker.
        trained: children trained so far, not counting those looked up.
        failed: of these, those that came to no result.
    """

    workers: int
    running: int
    waiting: int
    trained: int
    failed: int


@runtime_checkable
class Evaluator(Protocol):
    """Trains children, or looks them up; an environment does not know which."""

    @property
    def capacity(self) -> int:
        """How many specs it works on at a time; who has many hands over this many and tops up."""
        ...

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
        ...


def evaluate(evaluator: Evaluator, specs: Sequence[ChildSpec], *, keep_weights: bool = False) -> list[Evaluation]:
    """Submit specs and wait for all of them."""
    return [future.result() for future in evaluator.submit(specs, keep_weights=keep_weights)]


def stream(
    evaluator: Evaluator, specs: Sequence[ChildSpec], *, keep_weights: bool = False
) -> Iterator[tuple[int, Evaluation]]:
    """Evaluate many specs, yielding (place in `specs`, evaluation) as they finish, in any order.

    At most `evaluator.capacity` specs are in flight, so that progress shows and a stop loses little. They are topped up
    by an eighth at a time: asking for one costs a store nearly what asking for many does.
    """
    waiting = iter(range(len(specs)))
    flying: dict[Future[Evaluation], list[int]] = {}
    # Futures come by themselves: to look through all that fly, each time one is done, would cost more than storing it.
    arrived: queue.SimpleQueue[Future[Evaluation]] = queue.SimpleQueue()
    while True:
        capacity = evaluator.capacity
        free = capacity - len(flying)
        places = list(islice(waiting, free)) if free >= max(capacity // 8, 1) else []
        if places:
            futures = evaluator.submit([specs[place] for place in places], keep_weights=keep_weights)
            for future, place in zip(futures, places, strict=True):
                if future in flying:
                    flying[future].append(place)
                else:
                    flying[future] = [place]
                    future.add_done_callback(arrived.put)
        if not flying:
            return
        done = [arrived.get()]
        while not arrived.empty():
            done.append(arrived.get())
        for future in sorted(done, key=lambda f: flying[f][0]):
            for place in flying.pop(future):
                yield place, future.result()
