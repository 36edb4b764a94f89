"""Training dqn_transfer: Stable-Baselines3's DQN, whose Q-network is a `ClassQNetwork`, on many tables."""

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import torch
from stable_baselines3 import DQN
from stable_baselines3.dqn.policies import DQNPolicy, QNetwork
from torch import Tensor

from aen.bench import Table
from aen_agents.agents.transfer.environment import ClassChoiceEnv
from aen_agents.agents.transfer.features import ClassFeatures, evidence
from aen_agents.agents.transfer.network import ClassQNetwork


class KnownTables(torch.nn.Module):
    """The features of the classes of several tables, filled up to the same number of classes."""

    static: Tensor
    near: Tensor
    below: Tensor
    baseline: Tensor
    present: Tensor

    def __init__(self, known: Sequence[ClassFeatures]) -> None:
        super().__init__()
        most = max(len(each.static) for each in known)

        def filled(value: Tensor, *shape: int) -> Tensor:
            whole = torch.zeros(shape)
            whole[tuple(slice(n) for n in value.shape)] = value.float()
            return whole

        self.register_buffer("static", torch.stack([filled(k.static, most, k.static.shape[1]) for k in known]))
        self.register_buffer("near", torch.stack([filled(k.near, most, most) for k in known]))
        self.register_buffer("below", torch.stack([filled(k.below, most, most) for k in known]))
        self.register_buffer("baseline", torch.tensor([k.baseline for k in known]))
        self.register_buffer("present", torch.arange(most)[None] < torch.tensor([len(k.static) for k in known])[:, None])

    def features(self, observation: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Return the features of every class, and which can be trained: those that exist and were not yet."""
        table = observation["table"].long().view(-1)
        counts, means = observation["counts"].float(), observation["means"].float()
        dynamic = evidence(
            self.near[table], self.below[table], self.baseline[table], counts, means, observation["left"].view(-1)
        )
        return torch.cat([self.static[table], dynamic], dim=2), self.present[table]


class TableQNetwork(QNetwork):
    """SB3's Q-network, whose values are those of a `ClassQNetwork`."""

    def __init__(self, *args: Any, known: KnownTables, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.q_net = ClassQNetwork()  # type: ignore[assignment]
        self._known = [known]  # in a list: it is no part of the parameters

    def forward(self, obs: Any) -> Tensor:  # noqa: ANN401 - SB3's
        """Return the Q-values; those of classes that were trained are very low."""
        features, present = self._known[0].features(obs)
        values = self.q_net(features, present)
        open_ = present & (obs["counts"] == 0)
        return torch.where(open_, values, -1e8)


class TablePolicy(DQNPolicy):
    """SB3's policy with a `TableQNetwork`."""

    def __init__(self, *args: Any, known: KnownTables, **kwargs: Any) -> None:
        self._tables = known
        super().__init__(*args, **kwargs)

    def make_q_net(self) -> QNetwork:
        """Return a Q-network."""
        arguments = self._update_features_extractor(self.net_args, features_extractor=None)
        return TableQNetwork(**arguments, known=self._tables).to(self.device)


class LegalDQN(DQN):
    """Explores among the classes that were not trained yet."""

    def predict(self, observation: Any, state: Any = None, episode_start: Any = None, deterministic: bool = False) -> Any:
        if not deterministic and torch.rand(()) < self.exploration_rate:
            import numpy as np
            env = self.get_env()
            counts = observation["counts"].reshape(env.num_envs, -1)
            number = observation["table"].reshape(-1)
            present = self.policy.q_net._known[0].present[torch.as_tensor(number)].numpy()
            draw = np.where(present & (counts == 0), np.random.rand(*counts.shape), -1)
            return draw.argmax(axis=1), state
        return self.policy.predict(observation, state, episode_start, deterministic=True)


def known_of(tables: Sequence[Table]) -> list[ClassFeatures]:
    """Return the features of the classes of each table."""
    return [ClassFeatures.of(t.definition.space, t.definition.classes, t.symmetry) for t in tables]


def train(tables: Sequence[Table], *, steps: int, seed: int, children: int = 30, known=None, **settings: Any) -> ClassQNetwork:
    """Train a Q-network on tables."""
    known = KnownTables(known or known_of(tables))
    env = ClassChoiceEnv(tables, children)
    options = {
        "learning_rate": 1e-3,
        "buffer_size": 50_000,
        "learning_starts": 500,
        "batch_size": 64,
        "gamma": 0.9,
        "train_freq": 4,
        "gradient_steps": 1,
        "target_update_interval": 500,
        "exploration_fraction": 0.5,
        "exploration_final_eps": 0.05,
    } | settings
    model = LegalDQN(TablePolicy, env, seed=seed, device="cpu", policy_kwargs={"known": known}, **options)
    model.learn(steps)
    return model.policy.q_net.q_net
