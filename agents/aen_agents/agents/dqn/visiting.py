"""VisitingExplorer: what explorers that step through environments and count visits have in common."""

from abc import ABC, abstractmethod
from typing import Literal

from aen.results.search_result import Exploration
from aen.results.verdict import ClassVerdict
from aen_agents.agents.base import Task
from aen_agents.agents.dqn.visits import OUT_OF_STEPS, Visits
from aen_agents.agents.final_stage import conclude
from aen_agents.events import StageStarted


class VisitingExplorer(ABC):
    """The visits of an agent and what is concluded from them; see `aen_agents.agents.base.Explorer`.

    Args:
        task: what is to be solved.
        counted: what the budget counts.
    """

    def __init__(self, task: Task, counted: Literal["classes", "states"]) -> None:
        self.task = task
        self.visits = Visits(
            budget=task.config.budget,
            counted=counted,
            classes=len(task.space.classes),
            states=task.space.states,
            listener=task.listener,
            history=task.folder.history_file,
            limit=task.limit,
        )

    def explore(self) -> None:
        """Step through environments until the budget is used up."""
        task, visits = self.task, self.visits
        most = min(visits.budget.children, visits.total)
        task.listener(StageStarted("explore", most, steps=visits.budget.steps))
        try:
            self._explore()
        finally:
            visits.close()
        if visits.why_finished() == OUT_OF_STEPS:
            task.notice(
                f"exploring ended after {visits.steps:,} steps (budget.steps): {visits.first_visits:,} of {most:,} "
                "children; raise budget.steps to visit more"
            )

    @abstractmethod
    def _explore(self) -> None:
        """Step through environments until `visits` says why it is finished."""

    def found(self) -> list[str]:
        """Return the classes visited, best first; at equal accuracy the one with fewer parameters."""
        accuracy, parameters = self.visits.accuracy_of_class, self.visits.parameters_of_class
        return sorted(accuracy, key=lambda key: (-accuracy[key], parameters[key]))

    def accuracies(self) -> dict[str, float]:
        """Return the accuracy of each class visited, in the order of the first visits, without those that diverged."""
        visits = self.visits
        return {key: a for key, a in visits.accuracy_of_class.items() if key not in visits.diverged}

    def conclude(self) -> ClassVerdict:
        """Select on fresh seeds, and evaluate winner and baseline on the test images once."""
        return conclude(self.task, self.found())

    def figures(self) -> Exploration:
        """Return the counts of visits."""
        return Exploration(
            steps=self.visits.steps,
            states_visited=len(self.visits.seen_states),
            classes_visited=len(self.visits.accuracy_of_class),
            stopped_because=self.visits.why_finished(),
        )
