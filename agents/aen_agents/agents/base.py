"""What every agent is given, and what it answers: the seam between a search and its agents."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from aen.children import ChildSpec
from aen.evaluators import Evaluator
from aen.results.search_result import Exploration
from aen.results.store import ResultStore
from aen.results.verdict import Verdict
from aen.spaces import Space
from aen_agents.config import EquiNASDConfig, EquiNASEConfig, ExhaustiveConfig, SearchConfig
from aen_agents.events import Listener
from aen_agents.runs.folder import RunFolder


@dataclass(frozen=True)
class Task:
    """What there is to search, by whom children are trained, and who is told.

    Attributes:
        config: the search.
        child: the baseline's child.
        space: the children to choose among.
        planted: the child with the group by which the images were moved, if they were and it is known.
        evaluator: trains children or looks them up.
        folder: where files go.
        listener: is told what happens.
        notice: is told what the user should know.
        store: where the evaluator keeps its results, for who looks up many at once; None: nowhere.
    """

    config: SearchConfig
    child: ChildSpec
    space: Space
    planted: ChildSpec | None
    evaluator: Evaluator
    folder: RunFolder
    listener: Listener
    notice: Callable[[str], None]
    store: ResultStore | None = None


class Explorer(Protocol):
    """An agent at work on a task.

    Attributes:
        packages: distributions whose versions its result depends on.
    """

    packages: tuple[str, ...]

    def explore(self) -> None:
        """Explore until the agent's budget is used up."""
        ...

    def found(self) -> list[str]:
        """Return the keys of the classes met, best first, once exploring is over."""
        ...

    def accuracies(self) -> dict[str, float]:
        """Return the validation accuracy of each class met, the mean over the seeds, without those that diverged."""
        ...

    def figures(self) -> Exploration:
        """Return how far exploring came, finished or not."""
        ...

    def conclude(self) -> Verdict:
        """Return the verdict on the winner and the baseline, once exploring is over."""
        ...


def make_explorer(task: Task) -> Explorer:
    """Return the agent that the config names."""
    if isinstance(task.config.agent, ExhaustiveConfig):
        from aen_agents.agents.exhaustive import ExhaustiveExplorer

        return ExhaustiveExplorer(task, task.config.agent)
    if isinstance(task.config.agent, EquiNASEConfig | EquiNASDConfig):
        from aen_agents.agents.layerwise.explorer import LayerwiseExplorer

        return LayerwiseExplorer(task, task.config.agent)
    from aen_agents.agents.dqn.explorer import DQNExplorer  # imports Stable-Baselines3, which takes seconds

    return DQNExplorer(task, task.config.agent)
