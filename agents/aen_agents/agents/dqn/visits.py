"""Records the states that an agent visits, counts them against its budget, and decides when exploring ends."""

from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, Literal

from aen._typing import JsonDict
from aen_agents.agents.time_limit import OUT_OF_TIME, TimeLimit
from aen_agents.config import BudgetConfig
from aen_agents.events import Listener, Visited
from aen_agents.runs.history import HistoryFile

# The statuses of children without a result, whose accuracy and rank carry no information.
_NO_RESULT = {"diverged", "failed"}
OUT_OF_STEPS = "the limit of steps is reached"


class Visits:
    """Records this run's visits and counts the first ones.

    A first visit counts whether its child was trained or found in the store, so that the store's content does not
    change a run.

    Args:
        budget: the limits of exploring.
        counted: ``classes`` counts different networks, ``states`` bit vectors.
        classes: number of classes.
        states: number of bit vectors.
        listener: called with every visit.
        history: a file of JSON lines to which every visit is written, for the report's learning curve.
        limit: of the time.
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
        limit: TimeLimit | None = None,
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
        self.listener = listener
        self._limit = TimeLimit.none() if limit is None else limit
        self._history = HistoryFile(history)

    @property
    def first_visits(self) -> int:
        """The number of first visits, of what the budget counts."""
        return len(self.accuracy_of_class if self.counted == "classes" else self.seen_states)

    def saw(self, info: Mapping[str, Any], *, reward: float, epsilon: float, start: bool = False) -> None:
        """Record a visit.

        Args:
            info: the environment's info of the state.
            reward: the reward of the step.
            epsilon: the probability of a random action at the step.
            start: whether the state is the start of an episode, which is not a step.
        """
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
        more = {"parameters": info["parameters"], "status": status, "key": info.get("key")}
        self._history.append(asdict(event) | more)
        self.listener(event)

    def mark(self) -> JsonDict:
        """Return a mark of the visits so far, for `resume`."""
        return self._history.mark()

    def resume(self, mark: JsonDict) -> bool:
        """Restore the visits up to a mark from the history, and remove later lines, since their steps are repeated.

        The listener is called with the last restored visit.

        Args:
            mark: a value that `mark` returned.

        Returns:
            Whether the history matches the mark; if not, nothing changes.
        """
        lines = self._history.resume(mark) if mark["lines"] else None
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
        self.listener(Visited(**{field.name: last[field.name] for field in fields(Visited)}))
        return True

    def close(self) -> None:
        """Close the history; the next visit opens it again."""
        self._history.close()

    def why_finished(self) -> str | None:
        """Return the reason why exploring has ended, or None if it has not."""
        if len(self.accuracy_of_class) >= self.classes:
            return "every class is known"
        if self.first_visits >= self.budget.children:
            return "the budget of children is used up"
        if self.steps >= self.budget.steps:
            return OUT_OF_STEPS
        if self.accuracy_of_class and self._limit.reached():
            return OUT_OF_TIME
        return None
