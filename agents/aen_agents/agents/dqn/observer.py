"""Logs what a DQN knows while it explores: epsilon, loss, and the Q-values of the state in which it acts."""

import time
from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
import torch
from stable_baselines3.common.vec_env import VecEnv

from aen_agents.agents.dqn.model import SearchDQN
from aen_agents.events import AgentLogged, Listener

SECONDS = 0.5


class AgentObserver:
    """Emits an `AgentLogged` about twice a second at most. It draws no random numbers and changes nothing.

    Args:
        model: the agent.
        actions: a name for each action.
        listener: gets the events.
        seconds: the least time between two events.
    """

    def __init__(
        self, model: SearchDQN, actions: Sequence[str], listener: Listener, *, seconds: float = SECONDS
    ) -> None:
        self._model = model
        self._actions = tuple(actions)
        self._listener = listener
        self._seconds = seconds
        self._next = 0.0
        self._loss: float | None = None

    def is_due(self) -> bool:
        """Return whether enough time has passed for another event."""
        return time.monotonic() >= self._next

    def log(self, observation: npt.NDArray[Any], action: int, *, step: int, epsilon: float) -> None:
        """Log a choice.

        Args:
            observation: of the state in which the action was chosen.
            action: the action.
            step: number of the environment step.
            epsilon: the probability of a random action.
        """
        self._next = time.monotonic() + self._seconds
        loss = self._model.logger.name_to_value.get("train/loss")  # empty after each of SB3's dumps
        self._loss = self._loss if loss is None else float(loss)
        values, names = self._values(observation), self._actions
        self._actions = ()  # once is enough
        self._listener(
            AgentLogged(
                step=step,
                epsilon=float(epsilon),
                loss=self._loss,
                state=tuple(np.asarray(observation).ravel().tolist()),
                actions=names,
                q_values=tuple(round(value, 6) for value in values),
                action=action,
                explored=values[action] < max(values),
            )
        )

    @torch.no_grad()
    def _values(self, observation: npt.NDArray[Any]) -> list[float]:
        tensor, _ = self._model.policy.obs_to_tensor(np.asarray(observation)[None])
        values: list[float] = self._model.q_net(tensor)[0].tolist()
        return values


def action_names(env: gym.Env[Any, Any] | VecEnv) -> Sequence[str]:
    """Return a name for each action of an environment, or of the first of several."""
    first: Any = env.envs[0] if isinstance(env, VecEnv) else env  # type: ignore[attr-defined]
    names: Sequence[str] = first.unwrapped.action_names
    return names
