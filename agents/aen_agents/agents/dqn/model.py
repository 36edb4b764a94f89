"""SearchDQN: Stable-Baselines3's DQN with epsilon and target copies governed by first visits."""

import bisect
import io
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from stable_baselines3 import DQN
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.common.utils import polyak_update
from stable_baselines3.common.vec_env import VecEnv

from aen._files import write_atomically
from aen_agents.agents.dqn.visits import Visits
from aen_agents.config import DQNConfig
from aen_agents.runs.lost import check_not_lost

NEVER = 10**12


class ScaledBits(BaseFeaturesExtractor):
    """Hands the observed bits, times a constant, to the Q-network."""

    def __init__(self, observation_space: gym.Space[Any], scale: float) -> None:
        super().__init__(observation_space, features_dim=gym.spaces.utils.flatdim(observation_space))
        self.scale = scale

    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        """Return the scaled bits, ``[batch, n]``."""
        return observations.float() * self.scale


class VisitRule:
    """Epsilon and target copies by the number of first visits."""

    def __init__(self, config: DQNConfig, visits: Visits) -> None:
        self.visits = visits
        unit = visits.classes if config.epsilon_unit == "fraction" else 1
        self.starts = [start * unit for start, _ in config.epsilon]
        self.epsilons = [epsilon for _, epsilon in config.epsilon]
        self.even_children = config.target_update == "even_children"

    def epsilon(self) -> float:
        """Return epsilon at the present number of first visits."""
        return self.epsilons[bisect.bisect_right(self.starts, self.visits.first_visits) - 1]

    def copy_target(self) -> bool:
        """Say whether the target network is to be copied at this step."""
        return self.even_children and self.visits.first_visits % 2 == 0

    def __call__(self, progress_remaining: float) -> float:
        """Act as SB3's exploration schedule, which is a function of the steps that remain."""
        del progress_remaining
        return self.epsilon()


class SearchDQN(DQN):
    """SB3's DQN with epsilon and target copies governed by first visits instead of steps."""

    rule: VisitRule | None = None

    def _on_step(self) -> None:
        # SB3 recomputes epsilon from its schedule in here, after the callbacks; the schedule is the visits' (below).
        super()._on_step()
        if self.rule is not None and self.rule.copy_target():
            polyak_update(self.q_net.parameters(), self.q_net_target.parameters(), 1.0)

    def predict(
        self,
        observation: Any,  # noqa: ANN401 - SB3's
        state: Any = None,  # noqa: ANN401 - SB3's
        episode_start: Any = None,  # noqa: ANN401 - SB3's
        deterministic: bool = False,
    ) -> tuple[Any, Any]:
        """Choose an action for each observation; epsilon is drawn for each, not once for all as SB3 does."""
        if deterministic or not self.policy.is_vectorized_observation(observation) or len(observation) == 1:
            return super().predict(observation, state, episode_start, deterministic)
        actions, state = self.policy.predict(observation, state, episode_start, deterministic=True)
        for place in range(len(actions)):
            if np.random.rand() < self.exploration_rate:  # noqa: NPY002 - the source that SB3 draws from
                actions[place] = self.action_space.sample()
        return actions, state

    def _sample_action(self, learning_starts: int, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        # SB3 acts at random until it begins to learn, whatever epsilon is; here epsilon alone decides.
        del learning_starts
        return super()._sample_action(0, *args, **kwargs)

    def _excluded_save_params(self) -> list[str]:
        return [*super()._excluded_save_params(), "rule", "exploration_schedule"]


def make_dqn(config: DQNConfig, env: gym.Env[Any, Any] | VecEnv, visits: Visits, *, seed: int) -> SearchDQN:
    """Return a DQN with the settings of a config; see `aen_agents.config.DQNConfig`."""
    several = env.num_envs if isinstance(env, VecEnv) else 1
    # 12 generators make a network of a few thousand weights; it is faster on the CPU than on any GPU.
    model = SearchDQN(
        "MlpPolicy",
        env,
        learning_rate=config.learning_rate,
        buffer_size=config.replay_size,
        # SB3 learns at the first step whose number is above learning_starts, and each step adds one transition.
        learning_starts=config.learn_after - 1,
        batch_size=config.batch_size,
        gamma=config.discount,
        train_freq=1,
        gradient_steps=config.gradient_steps * several,  # SB3 counts a step of all environments as one
        # SB3 copies after a step of all environments at the earliest, and warns where fewer steps are asked for.
        target_update_interval=NEVER if config.target_update == "even_children" else max(config.target_update, several),
        max_grad_norm=float("inf") if config.max_gradient_norm is None else config.max_gradient_norm,
        policy_kwargs={
            "net_arch": list(config.layers),
            "activation_fn": torch.nn.ReLU,
            "features_extractor_class": ScaledBits,
            "features_extractor_kwargs": {"scale": config.input_scale},
        },
        seed=seed,
        device="cpu",
    )
    model.rule = VisitRule(config, visits)
    model.exploration_schedule = model.rule
    model.exploration_rate = model.rule.epsilon()
    return model


def save_agent(model: SearchDQN, path: Path) -> None:
    """Write an agent; the file appears complete or not at all."""
    content = io.BytesIO()  # SB3 would leave the file open on a full disk
    model.save(content)
    check_not_lost(path)
    write_atomically(path, content.getbuffer(), durable=True)
