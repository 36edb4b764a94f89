"""Walks through benchmark tables as data sets of Minari, for offline reinforcement learning."""

import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np

from aen.bench import Table
from aen.errors import TableError
from aen.spaces import GCNNSpace

WALKERS = ("random", "dqn")
# Entries of `info` that are kept: all that are numbers but those of the networks' names.
_KEPT = ("accuracy", "baseline_accuracy", "regret", "best_regret", "seconds", "total_seconds", "state", "looked_up")
_VARIABLE = "MINARI_DATASETS_PATH"


class Recorder(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Keeps all episodes, also the last one that is not at its end.

    Attributes:
        episodes: observations, actions, rewards, terminations, truncations and infos of each, as lists; there is one
            observation and info more than actions.
    """

    def __init__(self, env: gymnasium.Env[Any, Any]) -> None:
        super().__init__(env)
        self.episodes: list[dict[str, list[Any]]] = []

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin an episode."""
        observation, info = self.env.reset(seed=seed, options=options)
        episode: dict[str, list[Any]] = {"observations": [observation], "infos": [info]}
        episode |= {name: [] for name in ("actions", "rewards", "terminations", "truncations")}
        self.episodes.append(episode)
        return observation, info

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:  # noqa: ANN401 - of any space
        """Take a step and keep it."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        kept = zip(
            ("observations", "actions", "rewards", "terminations", "truncations", "infos"),
            (observation, np.int64(action), reward, terminated, truncated, info),
            strict=True,
        )
        for name, value in kept:
            self.episodes[-1][name].append(value)
        return observation, reward, terminated, truncated, info


def walk(env: gymnasium.Env[Any, Any], walker: str, steps: int, seed: int) -> list[dict[str, list[Any]]]:
    """Return the episodes of an agent: of random actions, or of a DQN while it learns.

    Args:
        env: the environment.
        walker: ``random`` or ``dqn``.
        steps: number of steps of all episodes together.
        seed: of the agent.
    """
    recorder = Recorder(env)
    if walker == "random":
        # Not `action_space.sample`, with which a DQN of the same seed begins.
        actions = np.random.default_rng(seed).integers(env.action_space.n, size=steps)  # type: ignore[attr-defined]
        over = True
        for step, action in enumerate(actions):
            if over:
                recorder.reset(seed=None if step else seed)
            over = any(recorder.step(action)[2:4])
    else:
        from stable_baselines3 import DQN  # takes seconds to import

        agent = DQN(
            "MlpPolicy",
            recorder,
            learning_rate=1e-3,
            learning_starts=100,
            train_freq=1,
            gamma=0.9,
            exploration_fraction=0.5,
            target_update_interval=200,
            seed=seed,
            device="cpu",
        )
        agent.learn(steps)
    return [episode for episode in recorder.episodes if episode["actions"]]


def write_walks(table: Table, folder: Path, *, walker: str, steps: int, horizon: int, seed: int) -> str:
    """Write a data set of walks through a table, and return its id.

    Args:
        table: the table; not one that is held out, since agents learn from such data.
        folder: where Minari keeps its data sets (``MINARI_DATASETS_PATH``).
        walker: see `walk`.
        steps: see `walk`.
        horizon: number of steps of an episode.
        seed: of the agent.

    Raises:
        TableError: a number is too small, the table is held out, the data set exists, or Minari is not installed.
    """
    for option, value, least in (("steps", steps, 1), ("horizon", horizon, 1), ("seed", seed, 0)):
        if value < least:
            raise TableError(f"{option} is {value}; it must be at least {least}.")
    if table.definition.part != "training":
        raise TableError(f"table {table.name} is held out: agents are judged on it and must not learn from it.")
    try:
        import minari
        from minari.data_collector.episode_buffer import EpisodeBuffer
    except ImportError as error:
        raise TableError(f"data sets need minari ({error}); install it with: pip install 'aen[minari]'") from error
    name = f"{table.name}/{walker}-v0"
    if (folder / name).exists():
        raise TableError(f"data set {name} is in {folder} already; remove it, or choose another --out.")
    environment_id = "GCNNDesign" if isinstance(table.definition.space, GCNNSpace) else "GroupDecomposition"
    env = gymnasium.make(f"aen_envs:aen/{environment_id}Tabular-v0", table=table, horizon=horizon)
    episodes = walk(env, walker, steps, seed)
    buffers = [
        EpisodeBuffer(
            id=number,
            observations=np.array(episode["observations"]),
            actions=np.array(episode["actions"]),
            rewards=episode["rewards"],
            terminations=episode["terminations"],
            # The last one may have been cut off; Minari needs an end.
            truncations=[*episode["truncations"][:-1], not episode["terminations"][-1]],
            infos={key: np.array([float(info[key]) for info in episode["infos"]]) for key in _KEPT},
        )
        for number, episode in enumerate(episodes)
    ]
    spec = env.spec
    assert spec is not None  # noqa: S101 - it was made by Gymnasium
    spec.kwargs["table"] = table.name
    with _datasets_in(folder) as part, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # about fields that are left out, such as an e-mail address
        data = minari.create_dataset_from_buffers(
            name,
            buffers,
            env=None,
            observation_space=env.observation_space,
            action_space=env.action_space,
            algorithm_name=walker,
            author="aen",
            description=f"{steps} steps of {walker} through the table {table.name}, {horizon} an episode, seed {seed}.",
            requirements=["aen"],
        )
        data.storage.update_metadata({"env_spec": spec.to_json()})
        (folder / table.name).mkdir(parents=True, exist_ok=True)
        (part / name).replace(folder / name)
    return name


@contextmanager
def _datasets_in(folder: Path) -> Iterator[Path]:
    """Let Minari write to a new folder inside another one, so that a data set appears complete or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    before = os.environ.get(_VARIABLE)
    part = Path(tempfile.mkdtemp(prefix=".part-", dir=folder))
    os.environ[_VARIABLE] = str(part)
    try:
        yield part
    finally:
        if before is None:
            del os.environ[_VARIABLE]
        else:
            os.environ[_VARIABLE] = before
        shutil.rmtree(part, ignore_errors=True)
