"""Training dqn_transfer: Stable-Baselines3's DQN with a `ClassQNetwork`, several times, on many tables."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from stable_baselines3 import DQN
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import DummyVecEnv, VecMonitor
from stable_baselines3.dqn.policies import DQNPolicy, QNetwork
from threadpoolctl import threadpool_limits
from torch import Tensor, nn

from aen._typing import JsonDict
from aen.bench import Table
from aen.bench.manifest import provenance
from aen.errors import ConfigError
from aen.training import cpu_threads
from aen_agents.agents.strategies.features import features_of
from aen_agents.agents.transfer.environment import ClassChoiceEnv
from aen_agents.agents.transfer.features import Array, KnownClasses
from aen_agents.agents.transfer.network import ClassQNetwork, Ensemble

OTHERS = 20.0  # weight of the mean error of the classes that were not trained
BETA = 0.3  # errors beyond it count linearly
ENVIRONMENTS = 8  # stepped together
NETWORKS = 6  # of the ensemble
WEIGHT_DECAY = 1.0  # of AdamW: there are few tables
UNTESTED = 0.15  # how often a table is drawn without its symmetry test, relative to with it
SETTINGS: dict[str, Any] = {
    "learning_rate": 1e-3,
    "buffer_size": 40_000,
    "learning_starts": 0,  # before it SB3 draws actions that cannot be chosen
    "batch_size": 64,
    "gamma": 0.5,
    "train_freq": 1,
    "gradient_steps": 2,
    "target_update_interval": 1000,
    "exploration_fraction": 0.5,
    "exploration_final_eps": 0.1,
}
_NEVER = -1e8


class KnownTables:
    """What is known of several tables, filled up to the same number of classes and symmetries."""

    def __init__(self, known: Sequence[KnownClasses]) -> None:
        self.static = _filled([each.static for each in known])
        self.symmetry = _filled([each.symmetry for each in known])
        self.members = _filled([each.members for each in known])

    def values(self, network: ClassQNetwork, observation: dict[str, Tensor]) -> Tensor:
        """Return the Q-values of a batch of observations; very low for classes that may not be chosen."""
        table = observation["table"].long().view(-1)
        classes = torch.cat([self.static[table], observation["classes"].float()], dim=2)
        symmetries = torch.cat([self.symmetry[table], observation["symmetries"].float()], dim=2)
        open_ = observation["open"] > 0
        values: Tensor = network(classes, symmetries, self.members[table], open_)
        return values.masked_fill(~open_, _NEVER)


def _filled(arrays: Sequence[Array]) -> Tensor:
    whole = torch.zeros(len(arrays), *(max(sizes) for sizes in zip(*(a.shape for a in arrays), strict=True)))
    for row, array in zip(whole, arrays, strict=True):
        row[: array.shape[0], : array.shape[1]] = torch.from_numpy(array)
    return whole


class TableQNetwork(QNetwork):
    """SB3's Q-network, whose values are those of a `ClassQNetwork`."""

    def __init__(self, *args: Any, known: KnownTables, **kwargs: Any) -> None:  # noqa: ANN401 - SB3's
        super().__init__(*args, **kwargs)
        self.q_net: ClassQNetwork = ClassQNetwork()  # type: ignore[assignment]
        self._known = known

    def forward(self, obs: Any) -> Tensor:  # noqa: ANN401 - SB3's
        """Return the Q-values."""
        return self._known.values(self.q_net, obs)


class TablePolicy(DQNPolicy):
    """SB3's policy with a `TableQNetwork`."""

    def __init__(self, *args: Any, known: KnownTables, **kwargs: Any) -> None:  # noqa: ANN401 - SB3's
        self._tables = known
        super().__init__(*args, **kwargs)

    def make_q_net(self) -> QNetwork:
        """Return a Q-network."""
        arguments = self._update_features_extractor(self.net_args, features_extractor=None)
        return TableQNetwork(**arguments, known=self._tables).to(self.device)


class TableDQN(DQN):
    """DQN that explores among the classes that may be chosen."""

    def predict(
        self,
        observation: Any,  # noqa: ANN401 - SB3's
        state: Any = None,  # noqa: ANN401
        episode_start: Any = None,  # noqa: ANN401
        deterministic: bool = False,
    ) -> Any:  # noqa: ANN401
        """Return the best open class of each observation, or a random one with the probability epsilon."""
        actions, state = super().predict(observation, state, episode_start, deterministic=True)
        if deterministic:
            return actions, state
        open_ = observation["open"] > 0
        drawn = np.where(open_, self._random.random(open_.shape), -1.0).argmax(axis=1)
        explored = self._random.random(len(open_)) < self.exploration_rate
        return np.where(explored, drawn, actions), state

    def train(self, gradient_steps: int, batch_size: int = 100) -> None:
        """Update the network; SB3's method, but for the classes that were not trained.

        The table says what reward each class would have brought. The value of the state after it is taken to be that of
        the state after the class that was trained, so that a transition teaches something of every class.
        """
        self.policy.set_training_mode(True)
        self._update_learning_rate(self.policy.optimizer)
        for _ in range(gradient_steps):
            replay: Any = cast("ReplayBuffer", self.replay_buffer).sample(batch_size)
            observations, ended = replay.observations, replay.dones
            gains, open_ = observations["gains"], (observations["open"] > 0).float()
            with torch.no_grad():
                best = self.q_net(replay.next_observations).argmax(dim=1, keepdim=True)  # double Q-learning
                after = self.q_net_target(replay.next_observations).gather(1, best)
                chosen = replay.rewards + self.gamma * after * (1 - ended)
                over = ended.squeeze(1) > 0
                if over.any():  # had another class been trained, the search would go on
                    last = {name: values[over] for name, values in observations.items()}
                    after[over] = self.q_net_target(last).amax(dim=1, keepdim=True)
                ends = gains >= gains.amax(dim=1, keepdim=True)  # the best classes, whose score is 1
                targets = (gains + self.gamma * after * ~ends).scatter(1, replay.actions.long(), chosen)
            errors = nn.functional.smooth_l1_loss(self.q_net(observations), targets, reduction="none", beta=BETA)
            taken = errors.gather(1, replay.actions.long()).mean()
            loss = taken + OTHERS * ((errors * open_).sum(dim=1) / open_.sum(dim=1)).mean()
            self.policy.optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(self.policy.parameters(), self.max_grad_norm)
            self.policy.optimizer.step()
        self._n_updates += gradient_steps

    def set_random_seed(self, seed: int | None = None) -> None:
        """Seed all random choices."""
        super().set_random_seed(seed)
        self._random = np.random.default_rng(seed)


def known_of(table: Table, *, tested: bool = True) -> KnownClasses:
    """Return what is known of a table's classes; without the symmetry test of its images if it is not `tested`."""
    keys = None if table.definition.class_keys is None else frozenset(table.place_of_class)
    features = features_of(table.definition.space, keys)
    test = table.symmetry if tested else None
    return KnownClasses.of(features, test, images=table.definition.child.data.validation)


@dataclass(frozen=True)
class TrainedPolicy:
    """Q-networks, and how they were trained.

    Attributes:
        network: the mean of the Q-networks.
        about: JSON values: names and checksums of the tables, steps, seed, settings, versions, machine.
        children: mean number of children of the last episodes of all networks, with exploration.
    """

    network: Ensemble
    about: JsonDict
    children: float


def train_policy(
    tables: Sequence[Table],
    *,
    steps: int,
    seed: int,
    networks: int = NETWORKS,
    weight_decay: float = WEIGHT_DECAY,
    progress: Callable[[int, float], None] = lambda _steps, _children: None,
    **settings: Any,  # noqa: ANN401 - SB3's
) -> TrainedPolicy:
    """Train Q-networks on tables, one after the other with different seeds.

    Args:
        tables: of the training part; each is also used without its symmetry test.
        steps: children of all episodes of all networks together.
        seed: of all random choices.
        networks: how many.
        weight_decay: of AdamW, relative to the learning rate.
        progress: called now and then with the steps done, and the mean number of children of the last episodes.
        settings: of `TableDQN` other than the default ones.

    Raises:
        ConfigError: a table is held out.
    """
    held_out = [table.name for table in tables if table.definition.part != "training"]
    if held_out:
        raise ConfigError(f"table {held_out[0]} is held out: agents are judged on it, and none may be trained on it.")
    lessons = [(table, known_of(table)) for table in tables]
    lessons += [(table, known_of(table, tested=False)) for table in tables if table.symmetry is not None]
    probabilities = [1.0] * len(tables) + [UNTESTED] * (len(lessons) - len(tables))
    known = KnownTables([each for _, each in lessons])
    options = SETTINGS | settings
    trained: list[ClassQNetwork] = []
    lengths: list[float] = []
    share = max(steps // networks, 1)
    # The networks are small, and with a fixed number of threads they are the same on every machine of one kind.
    with cpu_threads(1), threadpool_limits(1):
        for number in range(networks):
            env = VecMonitor(DummyVecEnv([lambda: ClassChoiceEnv(lessons, probabilities)] * ENVIRONMENTS))
            decay = {"weight_decay": weight_decay}
            policy = {"known": known, "optimizer_class": torch.optim.AdamW, "optimizer_kwargs": decay}
            own = networks * seed + number
            model = TableDQN(TablePolicy, env, seed=own, device="cpu", policy_kwargs=policy, **options)
            model.learn(share, callback=_Progress(number * share, progress))
            trained.append(cast(ClassQNetwork, model.policy.q_net.q_net))
            lengths.append(_mean_length(model))
    about = {
        "tables": {table.name: hashlib.sha256(table.accuracy.tobytes()).hexdigest()[:16] for table in tables},
        "steps": steps,
        "seed": seed,
        "networks": networks,
        "weight_decay": weight_decay,
        "settings": {name: value for name, value in options.items() if isinstance(value, int | float)},
    }
    return TrainedPolicy(Ensemble(trained).eval(), about | provenance(), float(np.mean(lengths)))


class _Progress(BaseCallback):
    def __init__(self, before: int, progress: Callable[[int, float], None]) -> None:
        super().__init__()
        self._before, self._progress = before, progress

    def _on_step(self) -> bool:
        if self.n_calls % 50 == 0:
            self._progress(self._before + self.num_timesteps, _mean_length(self.model))
        return True


def _mean_length(model: Any) -> float:  # noqa: ANN401 - SB3's
    lengths = [episode["l"] for episode in model.ep_info_buffer or []]
    return sum(lengths) / len(lengths) if lengths else float("nan")
