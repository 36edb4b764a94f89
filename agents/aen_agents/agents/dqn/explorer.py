"""DQNExplorer: the DQN agent of AEN (arXiv 2104.04848); docs/agents/dqn.md explains metrics and deviations."""

from pathlib import Path
from typing import Any, cast

from aen.results.search_result import Exploration
from aen.results.verdict import ClassVerdict
from aen_agents.agents.base import Task
from aen_agents.agents.dqn.checkpoint import intact
from aen_agents.agents.dqn.collector import explore_asynchronously
from aen_agents.agents.dqn.environment import make_environment
from aen_agents.agents.dqn.sb3_loop import CHECKPOINT_SECONDS, explore
from aen_agents.agents.dqn.vec_env import LockstepVecEnv
from aen_agents.agents.dqn.visits import OUT_OF_STEPS, Visits
from aen_agents.agents.final_stage import conclude
from aen_agents.config import DQNConfig
from aen_agents.events import Notice, StageStarted
from aen_envs.child_env import ChildEnv


class DQNExplorer:
    """DQN at work on a task; see `aen_agents.agents.base.Explorer`."""

    packages: tuple[str, ...] = ("gymnasium", "stable-baselines3")
    checkpoint_seconds = CHECKPOINT_SECONDS

    def __init__(self, task: Task) -> None:
        self.task = task
        self.agent = agent = cast("DQNConfig", task.config.agent)
        self.visits = Visits(
            budget=task.config.budget,
            counted=agent.first_visits,
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
        # As events, not notices: the summary keeps notices, and must not depend on how often a run was resumed.
        options: dict[str, Any] = {
            "seed": task.config.seed,
            "folder": task.folder.path,
            "checkpoint_seconds": self.checkpoint_seconds,
            "notice": lambda text: task.listener(Notice(text)),
        }
        try:
            self._explore(options)
        finally:
            visits.close()
        if visits.why_finished() == OUT_OF_STEPS:
            task.notice(
                f"exploring ended after {visits.steps:,} steps (budget.steps): {visits.first_visits:,} of {most:,} "
                "children; raise budget.steps to visit more"
            )
        all_known = len(visits.accuracy_of_class) >= visits.classes
        if visits.steps < self.agent.learn_after and not all_known:
            task.notice(
                f"the agent never learnt: exploring ended after {visits.steps} steps, and agent.learn_after is "
                f"{self.agent.learn_after}; raise budget.children and budget.steps, or lower it"
            )

    def _explore(self, options: dict[str, Any]) -> None:
        """Use one environment, several in lock-step, or several asynchronously."""
        task, settings = self.task, self.task.config.environment
        many = task.config.evaluator.parallel
        parallelism = task.evaluator.parallelism
        # A quarter more than are trained at a time, so that no worker waits while the next action is chosen.
        count = settings.n_envs or (parallelism + max(parallelism // 4, 1) if many else 1)
        if many and settings.collect == "lockstep" and settings.n_envs is None:
            count = _environments_before(task.folder.path / "agent") or count
        if many and settings.collect != "lockstep":
            environments = [cast("ChildEnv[Any]", make_environment(task).unwrapped) for _ in range(count)]
            explore_asynchronously(
                self.agent, environments, self.visits, evaluator=task.evaluator, workers=parallelism, **options
            )
        elif count == 1:
            explore(self.agent, make_environment(task), self.visits, **options)
        else:
            explore(self.agent, LockstepVecEnv([make_environment(task) for _ in range(count)]), self.visits, **options)

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


def _environments_before(folder: Path) -> int | None:
    """Return how many environments the last checkpoint has: a lock-step run keeps them, whatever its workers."""
    for checkpoint in intact(folder, lambda _: None):
        if "dqn" in checkpoint.state:
            return int(checkpoint.state["dqn"]["replay"]["n_envs"])
    return None
