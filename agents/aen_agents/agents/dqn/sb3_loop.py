"""Exploring with SB3's own training loop: one environment, or several in lock-step."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import gymnasium as gym
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.vec_env import VecEnv

from aen._typing import JsonDict
from aen_agents.agents.dqn.checkpoint import last_checkpoint, save
from aen_agents.agents.dqn.curves import RunEvents
from aen_agents.agents.dqn.model import SearchDQN, make_dqn, save_agent
from aen_agents.agents.dqn.observer import AgentObserver, action_names
from aen_agents.agents.dqn.state import dqn_state, environments_state, restore_dqn, restore_environments
from aen_agents.agents.dqn.visits import Visits
from aen_agents.config import DQNConfig

CHECKPOINT_SECONDS = 10.0


class _VisitCallback(BaseCallback):
    """Records every step's state, writes checkpoints, and ends training when the budget is used up."""

    def __init__(self, visits: Visits, observer: AgentObserver, folder: Path, every: float) -> None:
        super().__init__()
        self.visits = visits
        self.observer = observer
        self.folder = folder
        self.every = every
        self._written = time.monotonic()

    def _on_rollout_start(self) -> None:
        # Between the gradient steps of one step and the choice of the next action nothing is half done.
        if time.monotonic() - self._written >= self.every:
            arrays, dqn = dqn_state(cast("SearchDQN", self.model))
            state = {"visits": self.visits.mark(), "dqn": dqn, "environments": environments_state(self.training_env)}
            save(self.folder, arrays, state)
            self._written = time.monotonic()

    def _on_step(self) -> bool:
        if self.observer.is_due():
            # SB3 replaces `_last_obs` after this call: it is still the state in which the action was chosen.
            observation = cast("Any", self.model)._last_obs[0]  # noqa: SLF001 - no public name
            action, epsilon = int(self.locals["actions"][0]), self.locals["self"].exploration_rate
            self.observer.log(observation, action, step=self.visits.steps + 1, epsilon=epsilon)
        for info, reward in zip(self.locals["infos"], self.locals["rewards"], strict=True):
            # Of environments in lock-step those behind the end of the budget do not count.
            if self.visits.why_finished() is None:
                self.visits.saw(info, reward=float(reward), epsilon=self.locals["self"].exploration_rate)
        self.logger.record("search/accuracy", info["accuracy"])
        self.logger.record("search/best_accuracy", self.visits.best)
        self.logger.record("search/first_visits", self.visits.first_visits)
        self.logger.record("search/classes_seen", len(self.visits.accuracy_of_class))
        return self.visits.why_finished() is None


def explore(
    config: DQNConfig,
    env: gym.Env[Any, Any] | VecEnv,
    visits: Visits,
    *,
    seed: int,
    folder: Path,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
    notice: Callable[[str], None] = lambda _: None,
) -> None:
    """Run DQN on the environment until the budget is used up, from the last checkpoint if there is one.

    Args:
        config: the agent's settings.
        env: the environment, whose untied child is evaluated first, or several in lock-step.
        visits: counts the states seen and says when to stop.
        seed: of the Q-network, the actions and the replay samples.
        folder: gets TensorBoard events in ``tensorboard/``, checkpoints in ``agent/`` and the agent in
            ``agent/dqn.zip``.
        checkpoint_seconds: a checkpoint is written at the first step after so many.
        notice: called with where the run resumes, and with damaged checkpoints.
    """
    events, agent = folder / "tensorboard", folder / "agent"
    checkpoint = last_checkpoint(agent, visits, notice)
    if checkpoint is None:
        for file in events.glob("events.*"):
            file.unlink()  # a run that starts from the beginning writes all its events again
        info = _begin(env, seed)
        visits.saw(info, reward=0.0, epsilon=1.0, start=True)
    if visits.why_finished() is not None:
        return
    model = make_dqn(config, env, visits, seed=seed)
    if checkpoint is not None:
        restore_environments(cast("VecEnv", model.env), checkpoint.state["environments"])
        restore_dqn(model, checkpoint.arrays, checkpoint.state["dqn"])
    model.set_logger(Logger(str(events), [RunEvents(events, model.num_timesteps + 1 if checkpoint else None)]))
    observer = AgentObserver(model, action_names(env), visits.listener)
    callback = _VisitCallback(visits, observer, agent, checkpoint_seconds)
    try:
        steps = visits.budget.steps - model.num_timesteps
        model.learn(steps, callback=callback, log_interval=1, reset_num_timesteps=checkpoint is None)
    finally:
        model.logger.close()
        save_agent(model, agent / "dqn.zip")
    save(agent, {}, {"visits": visits.mark()})  # exploring is over: a run that is resumed from here needs no agent


def _begin(env: gym.Env[Any, Any] | VecEnv, seed: int) -> JsonDict:
    """Begin an episode, or several; return what the first says of its start."""
    if isinstance(env, VecEnv):
        env.seed(seed)
        env.reset()
        info: JsonDict = env.reset_infos[0]
        return info
    return env.reset(seed=seed)[1]
