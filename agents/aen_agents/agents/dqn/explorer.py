"""DQNExplorer: the DQN agent of AEN (arXiv 2104.04848); docs/agents/dqn.md explains metrics and deviations."""

from pathlib import Path
from typing import Any, cast

from aen_agents.agents.base import Task
from aen_agents.agents.dqn.checkpoint import intact
from aen_agents.agents.dqn.collector import explore_asynchronously
from aen_agents.agents.dqn.environment import make_environment
from aen_agents.agents.dqn.sb3_loop import CHECKPOINT_SECONDS, explore
from aen_agents.agents.dqn.vec_env import LockstepVecEnv
from aen_agents.agents.dqn.visiting import VisitingExplorer
from aen_agents.config import DQNConfig
from aen_agents.events import Notice
from aen_envs.child_env import ChildEnv


class DQNExplorer(VisitingExplorer):
    """DQN at work on a task; see `aen_agents.agents.base.Explorer`."""

    packages: tuple[str, ...] = ("gymnasium", "stable-baselines3")
    checkpoint_seconds = CHECKPOINT_SECONDS

    def __init__(self, task: Task) -> None:
        self.agent = cast("DQNConfig", task.config.agent)
        super().__init__(task, counted=self.agent.first_visits)

    def explore(self) -> None:
        """Step through environments until the budget is used up."""
        super().explore()
        visits = self.visits
        all_known = len(visits.accuracy_of_class) >= visits.classes
        if visits.steps < self.agent.learn_after and not all_known:
            self.task.notice(
                f"the agent never learnt: exploring ended after {visits.steps} steps, and agent.learn_after is "
                f"{self.agent.learn_after}; raise budget.children and budget.steps, or lower it"
            )

    def _explore(self) -> None:
        """Use one environment, several in lock-step, or several asynchronously."""
        task, settings = self.task, self.task.config.environment
        # As events, not notices: the summary keeps notices, and must not depend on how often a run was resumed.
        options: dict[str, Any] = {
            "seed": task.config.seed,
            "folder": task.folder.path,
            "checkpoint_seconds": self.checkpoint_seconds,
            "notice": lambda text: task.listener(Notice(text)),
        }
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


def _environments_before(folder: Path) -> int | None:
    """Return how many environments the last checkpoint has: a lock-step run keeps them, whatever its workers."""
    for checkpoint in intact(folder, lambda _: None):
        if "dqn" in checkpoint.state:
            return int(checkpoint.state["dqn"]["replay"]["n_envs"])
    return None
