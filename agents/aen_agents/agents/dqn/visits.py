"""Visits: what an agent has seen in this run, how much of its budget that was, and when to stop."""

from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, Literal

from aen._typing import JsonDict
from aen_agents.config import BudgetConfig
from aen_agents.events import Listener, Visited
from aen_agents.runs.history import HistoryFile

# A child that came to no result is worth nothing: neither its accuracy nor its rank says anything.
_NO_RESULT = {"diverged", "failed"}
OUT_OF_STEPS = "the limit of steps is reached"


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
        self.best = 0.0
        self._listener = listener
        self._history = HistoryFile(history)

    @property
    def first_visits(self) -> int:
        """How many of what the budget counts have been seen."""
        return len(self.accuracy_of_class if self.counted == "classes" else self.seen_states)

    def saw(self, info: Mapping[str, Any], *, reward: float, epsilon: float, start: bool = False) -> None:
        """Note a state, by the environment's info; `start` says that it is where an episode starts, not a step."""
        before = self.first_visits
        self.steps += not start
        self.seen_states.add(info["state"])
        self.accuracy_of_class.setdefault(info["class_key"], info["accuracy"])
        self.parameters_of_class.setdefault(info["class_key"], info["parameters"])
        self.best = max(self.best, self.accuracy_of_class[info["class_key"]])
        status = info.get("status", "ok")
        if status in _NO_RESULT:
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
        self._history.append(asdict(event) | {"parameters": info["parameters"], "status": status})
        self._listener(event)

    def mark(self) -> JsonDict:
        """Return what `go_on` needs to know of the visits so far."""
        return self._history.mark()

    def go_on(self, mark: JsonDict) -> bool:
        """Take up the visits up to a mark, by the history; later lines are cut off, for they are walked again.

        The listener is told of the last one.

        Returns:
            Whether the history is what it was at the mark; if not, nothing changes.
        """
        lines = self._history.go_on(mark) if mark["lines"] else None
        if lines is None:
            return False
        last: JsonDict = {}
        for line in lines:
            last, key = line, line["class_key"]
            self.seen_states.add(line["state"])
            self.accuracy_of_class.setdefault(key, line["accuracy"])
            self.parameters_of_class.setdefault(key, line["parameters"])
            if line["status"] in _NO_RESULT:
                self.diverged.add(key)
        self.steps, self.best = last["step"], last["best"]
        self._listener(Visited(**{field.name: last[field.name] for field in fields(Visited)}))
        return True

    def close(self) -> None:
        """Close the history; another visit opens it again."""
        self._history.close()

    def why_finished(self) -> str | None:
        """Return why exploring is over, or None if it is not."""
        if len(self.accuracy_of_class) >= self.classes:
            return "every class is known"
        if self.first_visits >= self.budget.children:
            return "the budget of children is used up"
        if self.steps >= self.budget.steps:
            return OUT_OF_STEPS
        return None
