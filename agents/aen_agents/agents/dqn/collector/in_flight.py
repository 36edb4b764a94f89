"""InFlightClasses: which classes are being trained, so that no more new ones are started than the budget allows."""

from collections.abc import Iterable

from aen_agents.agents.dqn.visits import Visits


class InFlightClasses:
    """Counts for each class how many environments wait for it.

    Args:
        visits: says which classes are known, and how much of the budget is left.
    """

    def __init__(self, visits: Visits) -> None:
        self._visits = visits
        self._waiting: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def is_new(self, key: str) -> bool:
        """Return whether a class is neither known nor in flight."""
        return key not in self._visits.accuracy_of_class and key not in self._waiting

    @property
    def room(self) -> float:
        """How many more new classes may be started."""
        if self._visits.counted != "classes":
            return float("inf")
        return self._visits.budget.children - self._visits.first_visits - len(self._waiting)

    def try_add(self, keys: Iterable[str]) -> bool:
        """Count the classes of one environment as in flight; if there is no room for them, change nothing.

        Where nothing is in flight there is always room, since otherwise no environment could ever step again.

        Returns:
            Whether they were counted.
        """
        keys = set(keys)
        new = sum(self.is_new(key) for key in keys)
        if new and self._waiting and self.room < new:
            return False
        for key in keys:
            self._waiting[key] = self._waiting.get(key, 0) + 1
        return True

    def remove(self, keys: Iterable[str]) -> None:
        """Undo `try_add` for the same classes; like there, a class that is named twice counts once."""
        for key in set(keys):
            left = self._waiting.get(key, 0) - 1
            if left > 0:
                self._waiting[key] = left
            else:
                self._waiting.pop(key, None)
