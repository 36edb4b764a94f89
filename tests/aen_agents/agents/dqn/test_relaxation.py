"""The DQN agent on the environment that relaxes a network while it is trained."""

import json
from pathlib import Path

import gymnasium as gym
import numpy as np
from stable_baselines3 import DQN

import aen_envs  # noqa: F401
from aen.children import EquiNASSpec, TrainingSpec
from aen.data import DataSpec
from aen_agents.agents.dqn.sb3_loop import explore
from aen_agents.agents.dqn.visits import Visits
from aen_agents.config import BudgetConfig, DQNConfig

CHILD = EquiNASSpec(
    data=DataSpec("digits", train=64, validation=64, test=64),
    side=8,
    width=1,
    kernel_size=3,
    dense=8,
    training=TrainingSpec(epochs=0.5, batch_size=32),
)
NAME = "aen/LayerwiseRelaxation-v0"


def test_it_walks_and_learns(tmp_path: Path) -> None:
    (tmp_path / "agent").mkdir()
    env = gym.make(NAME, child=CHILD, groups=["D4", "C4", "C1"], slices=3, horizon=6)
    visits = Visits(
        budget=BudgetConfig(children=1000, steps=40),
        counted="classes",
        classes=55,
        states=55,
        listener=lambda _: None,
        history=tmp_path / "history.jsonl",
    )
    config = DQNConfig(learn_after=8, batch_size=8, layers=(16,))
    explore(config, env, visits, seed=0, folder=tmp_path)
    env.close()
    assert visits.why_finished() == "the limit of steps is reached"
    assert len(visits.accuracy_of_class) == len(visits.seen_states) > 1
    lines = [json.loads(line) for line in (tmp_path / "history.jsonl").read_text().splitlines()]
    assert len(lines) == 41
    assert any(line["reward"] == np.float32(-0.01) for line in lines), "most actions are illegal"


def test_stable_baselines_own_agent_learns_on_it() -> None:
    env = gym.make(NAME, child=CHILD, groups=["D4", "C1"], slices=3, horizon=6)
    model = DQN("MlpPolicy", env, learning_starts=8, batch_size=4, buffer_size=100, seed=0, device="cpu")
    model.learn(24)
    env.close()
    assert model._n_updates > 0
