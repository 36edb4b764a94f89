"""An agent that trains the first classes of the space."""

from typing import ClassVar, Literal, cast

from pydantic import Field

from aen.evaluators import stream
from aen.results.search_result import Exploration
from aen.results.verdict import ClassVerdict
from aen_agents.agents.base import Task
from aen_agents.agents.final_stage import conclude
from aen_agents.config import AgentSection
from aen_agents.events import StageStarted, Trained


class FirstNConfig(AgentSection):
    """The agent's settings."""

    explorer: ClassVar[str] = "toy_plugins.agent:FirstN"
    knows_children_ahead: ClassVar[bool] = True

    name: Literal["first_n"] = Field("first_n", description="the algorithm")
    classes: int = Field(4, gt=0, description="how many classes are trained")


class FirstN:
    """The agent at work on a task."""

    packages: tuple[str, ...] = ()

    def __init__(self, task: Task) -> None:
        self.task = task
        self.classes = task.space.classes[: cast("FirstNConfig", task.config.agent).classes]
        self.trained: dict[str, float] = {}

    def explore(self) -> None:
        """Train the classes."""
        task, specs = self.task, [self.task.space.spec(c) for c in self.classes]
        task.listener(StageStarted("explore", len(specs)))
        for place, evaluation in stream(task.evaluator, specs):
            self.trained[evaluation.class_key] = evaluation.validation_accuracy
            state = task.space.number_of(self.classes[place].representative)
            task.listener(
                Trained(state, specs[place].name, evaluation.class_key, evaluation.seed, evaluation.validation_accuracy)
            )

    def found(self) -> list[str]:
        """Return the classes, best first."""
        return sorted(self.trained, key=lambda key: (-self.trained[key], key))

    def accuracies(self) -> dict[str, float]:
        """Return the accuracy of each class."""
        return self.trained

    def figures(self) -> Exploration:
        """Return the counts of the summary."""
        done = len(self.trained) == len(self.classes)
        return Exploration(
            steps=len(self.trained),
            states_visited=sum(c.states for c in self.classes if c.key in self.trained),
            classes_visited=len(self.trained),
            stopped_because="all are trained" if done else None,
        )

    def conclude(self) -> ClassVerdict:
        """Select on fresh seeds, and evaluate winner and baseline on the test images once."""
        return conclude(self.task, self.found())
