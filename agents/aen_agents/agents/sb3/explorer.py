"""SB3Explorer: any algorithm of Stable-Baselines3 with discrete actions, on the search's environment.

docs/agents/ppo.md, qrdqn.md and maskable_ppo.md explain metrics and deviations.
"""

import io
from pathlib import Path
from pkgutil import resolve_name
from typing import Any, cast

import gymnasium as gym
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.vec_env import VecEnv

from aen._files import write_atomically
from aen._typing import JsonDict
from aen_agents.agents.base import Task
from aen_agents.agents.dqn.curves import RunEvents
from aen_agents.agents.dqn.environment import make_environment
from aen_agents.agents.dqn.vec_env import LockstepVecEnv
from aen_agents.agents.dqn.visiting import VisitingExplorer
from aen_agents.agents.dqn.visits import Visits
from aen_agents.config.sb3_agents import SB3Config
from aen_agents.runs.lost import check_not_lost


class SB3Explorer(VisitingExplorer):
    """An algorithm at work on a task; see `aen_agents.agents.base.Explorer`.

    A resumed run begins again: it repeats every step, and the children of earlier starts are looked up in the store.
    """

    def __init__(self, task: Task) -> None:
        super().__init__(task, counted="classes")
        self.agent = agent = cast("SB3Config", task.config.agent)
        self.packages = tuple(dict.fromkeys(("gymnasium", "stable-baselines3", agent.package)))

    def _explore(self) -> None:
        """Let the algorithm learn until the budget is used up."""
        task, visits = self.task, self.visits
        if task.config.environment.collect == "asynchronous":
            task.notice(f"environment.collect=asynchronous is for dqn; {self.agent.name} steps in lock-step")
        env = self._environments()
        events = task.folder.path / "tensorboard"
        for file in events.glob("events.*"):
            file.unlink()
        visits.saw(_begin(env, task.config.seed), reward=0.0, epsilon=1.0, start=True)
        if visits.why_finished() is None:
            self._learn(env, events)

    def _environments(self) -> gym.Env[Any, Any] | VecEnv:
        task = self.task
        parallel = task.config.evaluator.parallel
        count = task.config.environment.n_envs or (task.evaluator.parallelism if parallel else 1)
        if count == 1:
            return make_environment(task)
        return LockstepVecEnv([make_environment(task) for _ in range(count)])

    def _learn(self, env: gym.Env[Any, Any] | VecEnv, events: Path) -> None:
        agent = self.agent
        model: BaseAlgorithm = resolve_name(agent.algorithm)(
            "MlpPolicy",
            env,
            learning_rate=agent.learning_rate,
            gamma=agent.discount,
            policy_kwargs=agent.policy_arguments(),
            seed=self.task.config.seed,
            device="cpu",  # its networks are small
            **agent.arguments(env.num_envs if isinstance(env, VecEnv) else 1),
        )
        model.set_logger(Logger(str(events), [RunEvents(events, None)]))
        try:
            model.learn(self.visits.budget.steps, callback=_VisitCallback(self.visits), log_interval=1)
        finally:
            model.logger.close()
            _save(model, self.task.folder.path / "agent" / f"{agent.name}.zip")


class _VisitCallback(BaseCallback):
    """Records every step's state and ends learning when the budget is used up."""

    def __init__(self, visits: Visits) -> None:
        super().__init__()
        self.visits = visits

    def _on_step(self) -> bool:
        # That of off-policy algorithms; the policy gradients' is in the policy itself.
        epsilon = float(getattr(self.model, "exploration_rate", 0.0))
        for info, reward in zip(self.locals["infos"], self.locals["rewards"], strict=True):
            if self.visits.why_finished() is None:
                self.visits.saw(info, reward=float(reward), epsilon=epsilon)
        self.logger.record("search/best_accuracy", self.visits.best)
        self.logger.record("search/classes_seen", len(self.visits.accuracy_of_class))
        return self.visits.why_finished() is None


def _begin(env: gym.Env[Any, Any] | VecEnv, seed: int) -> JsonDict:
    """Begin an episode, or several; return what the first says of its start."""
    if isinstance(env, VecEnv):
        env.seed(seed)
        env.reset()
        info: JsonDict = env.reset_infos[0]
        return info
    return env.reset(seed=seed)[1]


def _save(model: BaseAlgorithm, path: Path) -> None:
    content = io.BytesIO()
    model.save(content)
    check_not_lost(path)
    write_atomically(path, content.getbuffer(), durable=True)
