"""Training ahead: work for workers that would idle, the unvisited neighbours of the highest Q."""

from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

import numpy as np
import numpy.typing as npt

from aen.children import ChildSpec
from aen.evaluators import Evaluator
from aen.results import Evaluation
from aen_agents.agents.dqn.collector.env_slot import Walker
from aen_agents.agents.dqn.collector.in_flight import Flights

# Neighbours that are looked at, between two arrivals: looking costs time as well.
MOST_LOOKED_AT = 64


class Ahead:
    """Has children trained before an environment comes to them.

    Args:
        evaluator: trains.
        workers: how many children it trains at a time; 0: none are trained ahead.

    Attributes:
        count: how many children were trained ahead.
    """

    def __init__(self, evaluator: Evaluator, workers: int) -> None:
        self.count = 0
        self._evaluator = evaluator
        self._workers = workers
        self._flying: dict[str, Future[Evaluation]] = {}
        self._seen: set[str] = set()

    def free(self, flights: Flights) -> int:
        """Return how many workers would idle; 0 near the end, where more would be in the way of the selection."""
        self._flying = {key: future for key, future in self._flying.items() if not future.done()}
        return max(self._workers - len(flights) - len(self._flying), 0) if flights.room > 0 else 0

    def fill(self, free: int, walkers: Sequence[Walker], values: npt.NDArray[Any], flights: Flights) -> None:
        """Have neighbours trained.

        Args:
            free: for how many workers.
            walkers: whose neighbours.
            values: Q of each action of each walker, ``[walkers, actions]``.
            flights: says which classes are new.
        """
        found: dict[str, ChildSpec] = {}
        for place in np.argsort(values, axis=None)[::-1][: min(4 * free, MOST_LOOKED_AT)].tolist():
            number, action = divmod(place, values.shape[1])
            plan = walkers[number].env.plan(action)
            if plan.keep_weights or len(plan.specs) != 1:
                return  # its weights would have to be kept, for a state that may never be entered
            key = plan.specs[0].class_key
            if flights.is_new(key) and key not in self._seen:
                found[key] = plan.specs[0]
            if len(found) == free:
                break
        if found:
            futures = self._evaluator.submit(list(found.values()))
            self._flying |= dict(zip(found, futures, strict=True))
            self._seen |= found.keys()
            self.count += len(found)
