"""Task and Explorer: what a search gives to an agent, and what it asks of it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from aen.children import ChildSpec
from aen.evaluators import Evaluator
from aen.results.search_result import Exploration
from aen.results.store import ResultStore
from aen.results.verdict import Verdict
from aen.spaces import Space
from aen_agents.agents.time_limit import TimeLimit
from aen_agents.config import SearchConfig
from aen_agents.events import Listener
from aen_agents.runs.folder import RunFolder


@dataclass(frozen=True)
class Task:
    """What an agent is given: the search, its space, and what trains children and records events.

    Attributes:
        config: the search.
        child: the baseline's child.
        space: the children to choose among.
        hidden: the child with the hidden group, by whose elements the images were moved; None: they were not, or the
            space has no such child.
        evaluator: trains children or looks them up.
        folder: where files go.
        listener: called with every event.
        notice: called with what the user should know.
        store: where the evaluator keeps its results, to look up many at once; None: nowhere.
        limit: says when exploring has to end.
    """

    config: SearchConfig
    child: ChildSpec
    space: Space
    hidden: ChildSpec | None
    evaluator: Evaluator
    folder: RunFolder
    listener: Listener
    notice: Callable[[str], None]
    store: ResultStore | None = None
    limit: TimeLimit = field(default_factory=TimeLimit.none)

    @property
    def weights(self) -> Path:
        """The folder of kept weights."""
        return self.folder.weights_for(self.config.store)


class Explorer(Protocol):
    """An agent at work on a task; the task is all that its constructor takes.

    Attributes:
        packages: distributions whose versions its result depends on.
    """

    packages: tuple[str, ...]

    def __init__(self, task: Task) -> None: ...

    def explore(self) -> None:
        """Explore until the agent's budget is used up."""
        ...

    def found(self) -> list[str]:
        """Return the keys of the classes visited, best first, once exploring is over."""
        ...

    def accuracies(self) -> dict[str, float]:
        """Return the mean validation accuracy of each class visited, without those that diverged."""
        ...

    def figures(self) -> Exploration:
        """Return how far exploring came, finished or not."""
        ...

    def conclude(self) -> Verdict:
        """Return the verdict on the winner and the baseline, once exploring is over."""
        ...
