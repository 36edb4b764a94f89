"""Flights: which classes are on their way, so that never more new ones are than the budget still has."""

from collections.abc import Iterable

from aen_agents.agents.dqn.visits import Visits


class Flights:
    """Counts by class how many walkers wait for it.

    Args:
        visits: says which classes are known, and what is left of the budget.
    """

    def __init__(self, visits: Visits) -> None:
        self._visits = visits
        self._waiting: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def is_new(self, key: str) -> bool:
        """Say whether a class is neither known nor on its way."""
        return key not in self._visits.accuracy_of_class and key not in self._waiting

    @property
    def room(self) -> float:
        """How many more new classes may set out."""
        if self._visits.counted != "classes":
            return float("inf")
        return self._visits.budget.children - self._visits.first_visits - len(self._waiting)

    def set_out(self, keys: Iterable[str]) -> bool:
        """Count a walker's classes as on their way; or, if there is no room for them, say no and change nothing.

        Where nothing is on its way there is room for anything, or nobody would ever move again.
        """
        keys = set(keys)
        new = sum(self.is_new(key) for key in keys)
        if new and self._waiting and self.room < new:
            return False
        for key in keys:
            self._waiting[key] = self._waiting.get(key, 0) + 1
        return True

    def land(self, keys: Iterable[str]) -> None:
        """Take back what `set_out` counted; a class that is named twice counts once, as there."""
        for key in set(keys):
            left = self._waiting.get(key, 0) - 1
            if left > 0:
                self._waiting[key] = left
            else:
                self._waiting.pop(key, None)
