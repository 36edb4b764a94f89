"""Prefetcher: trains the unvisited neighbours of the highest Q on workers that would be idle."""

from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

import numpy as np
import numpy.typing as npt

from aen.children import ChildSpec
from aen.evaluators import Evaluator
from aen.results import Evaluation
from aen_agents.agents.dqn.collector.env_slot import EnvSlot
from aen_agents.agents.dqn.collector.in_flight import InFlightClasses

# How many neighbours are examined at a time, since examining them takes time as well.
MAX_EXAMINED = 64


class Prefetcher:
    """Has children trained before an environment reaches them.

    Args:
        evaluator: trains.
        workers: how many children it trains at a time; 0: nothing is prefetched.

    Attributes:
        count: how many children were prefetched.
    """

    def __init__(self, evaluator: Evaluator, workers: int) -> None:
        self.count = 0
        self._evaluator = evaluator
        self._workers = workers
        self._futures: dict[str, Future[Evaluation]] = {}
        self._seen: set[str] = set()

    def idle_workers(self, in_flight: InFlightClasses) -> int:
        """Return how many workers would be idle; 0 near the end of the budget, where more would delay the selection."""
        self._futures = {key: future for key, future in self._futures.items() if not future.done()}
        return max(self._workers - len(in_flight) - len(self._futures), 0) if in_flight.room > 0 else 0

    def submit(
        self, count: int, slots: Sequence[EnvSlot], values: npt.NDArray[Any], in_flight: InFlightClasses
    ) -> None:
        """Submit unvisited neighbours.

        Args:
            count: at most how many.
            slots: the environments whose neighbours they are.
            values: Q of each action of each environment, ``[slots, actions]``.
            in_flight: says which classes are new.
        """
        found: dict[str, ChildSpec] = {}
        for place in np.argsort(values, axis=None)[::-1][: min(4 * count, MAX_EXAMINED)].tolist():
            number, action = divmod(place, values.shape[1])
            pending = slots[number].env.begin_step(action)
            if pending.keep_weights or len(pending.specs) != 1:
                return  # its weights would have to be kept, for a state that may never be entered
            key = pending.specs[0].class_key
            if in_flight.is_new(key) and key not in self._seen:
                found[key] = pending.specs[0]
            if len(found) == count:
                break
        if found:
            futures = self._evaluator.submit(list(found.values()))
            self._futures |= dict(zip(found, futures, strict=True))
            self._seen |= found.keys()
            self.count += len(found)
