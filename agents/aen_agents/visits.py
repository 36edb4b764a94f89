"""Visits: what an agent has seen in this run, how much of its budget that was, and when to stop."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from aen_agents.config import BudgetConfig
from aen_agents.events import Listener, Visited


class Visits:
    """Counts this run's first visits, whether trained or found in the store, so that a warm store changes nothing.

    Args:
        budget: when to stop.
        counted: ``classes`` counts different networks, ``states`` bit vectors.
        classes: how many classes there are.
        states: how many bit vectors there are.
        listener: is told of every visit.
        history: a JSON-lines file to which every visit is written; the report's learning curve.
    """

    def __init__(
        self,
        *,
        budget: BudgetConfig,
        counted: Literal["classes", "states"],
        classes: int,
        states: int,
        listener: Listener,
        history: Path,
    ) -> None:
        self.budget = budget
        self.counted = counted
        self.classes = classes
        self.total = classes if counted == "classes" else states
        self.steps = 0
        self.seen_states: set[int] = set()
        self.accuracy_of_class: dict[str, float] = {}
        self.parameters_of_class: dict[str, int] = {}
        self.diverged: set[str] = set()
        self._listener = listener
        # A run that goes on repeats what it did before; what the earlier one wrote stays until that is overtaken.
        self._earlier = history.read_text(encoding="utf-8").count("\n") if history.is_file() else 0
        self._history = history
        self._part = history.with_name(f"{history.name}.part")
        self._part.write_text("")
        self._lines = 0

    @property
    def first_visits(self) -> int:
        """How many of what the budget counts have been seen."""
        return len(self.accuracy_of_class if self.counted == "classes" else self.seen_states)

    @property
    def best(self) -> float:
        """Best validation accuracy seen."""
        return max(self.accuracy_of_class.values(), default=0.0)

    def saw(self, info: Mapping[str, Any], *, reward: float, epsilon: float, start: bool = False) -> None:
        """Note a state, by the environment's info; `start` says that it is where an episode starts, not a step."""
        before = self.first_visits
        self.steps += not start
        self.seen_states.add(info["state"])
        self.accuracy_of_class.setdefault(info["class_key"], info["accuracy"])
        self.parameters_of_class.setdefault(info["class_key"], info["parameters"])
        if info.get("status") == "diverged":
            self.diverged.add(info["class_key"])
        event = Visited(
            step=self.steps,
            visits=self.first_visits,
            first=self.first_visits > before,
            state=info["state"],
            factors=info["factors"],
            group=info["group"],
            class_key=info["class_key"],
            accuracy=info["accuracy"],
            reward=reward,
            epsilon=epsilon,
            best=self.best,
        )
        overtaken = self._lines >= self._earlier
        with (self._history if overtaken and self._lines else self._part).open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(event)) + "\n")
        self._lines += 1
        if self._lines == max(self._earlier, 1):
            self._part.replace(self._history)
        self._listener(event)

    def why_finished(self) -> str | None:
        """Return why exploring is over, or None if it is not."""
        if len(self.accuracy_of_class) >= self.classes:
            return "every class is known"
        if self.first_visits >= self.budget.children:
            return "the budget of children is used up"
        if self.steps >= self.budget.steps:
            return "the limit of steps is reached"
        return None
