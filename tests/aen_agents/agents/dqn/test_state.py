"""A DQN that is restored goes on bit for bit as the one whose state was taken."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
import pytest
import torch
from helpers.made_up_table import Table
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv

import aen_envs  # noqa: F401
from aen.children import DenseSpec
from aen.data import DataSpec
from aen.errors import RunFolderError
from aen_agents.agents.dqn.checkpoint import load, save
from aen_agents.agents.dqn.model import SearchDQN, make_dqn
from aen_agents.agents.dqn.state import dqn_state, environments_state, restore_dqn, restore_environments
from aen_agents.agents.dqn.visits import Visits
from aen_agents.config import BudgetConfig, DQNConfig

NAMES = ("rot90", "hflip", "hshift(1/4)", "vshift(1/4)", "quadrants", "swap_lr")
CHILD = DenseSpec(data=DataSpec(), grids=(4, 4))
CONFIG = DQNConfig(
    layers=(16, 8), learn_after=8, batch_size=8, gradient_steps=1, epsilon=((0.0, 0.5),), target_update=7
)
Arrays = dict[str, npt.NDArray[Any]]


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., SearchDQN]:
    def make(n_envs: int, config: DQNConfig = CONFIG) -> SearchDQN:
        def environment() -> gym.Env[Any, Any]:
            return Monitor(
                gym.make("aen/GroupDecomposition-v0", child=CHILD, alphabet=NAMES, evaluator=Table(), horizon=5)
            )

        visits = Visits(
            budget=BudgetConfig(),
            counted="states",
            classes=64,
            states=64,
            listener=lambda _: None,
            history=tmp_path / "history.jsonl",
        )
        return make_dqn(config, DummyVecEnv([environment] * n_envs), visits, seed=5)  # type: ignore[arg-type]

    return make


def everything(model: SearchDQN) -> tuple[Arrays, dict[str, Any]]:
    assert model.env is not None
    arrays, state = dqn_state(model)
    for episode in state["episodes"]:
        del episode["t"]  # a time of day
    state["environments"] = environments_state(model.env)
    return {name: array.copy() for name, array in arrays.items()}, json.loads(json.dumps(state))


@pytest.mark.parametrize("n_envs", [1, 3])
@pytest.mark.parametrize("replay", [1000, 21], ids=["", "full"])
def test_a_restored_agent_goes_on_as_the_other(
    n_envs: int, replay: int, make: Callable[..., SearchDQN], tmp_path: Path
) -> None:
    config = CONFIG.model_copy(update={"replay_size": replay * n_envs})
    model = make(n_envs, config)
    model.learn(33 * n_envs)  # in the middle of an episode
    assert model.env is not None
    arrays, state = dqn_state(model)
    save(tmp_path, arrays, {"dqn": state, "environments": environments_state(model.env)})
    model.learn(40 * n_envs, reset_num_timesteps=False)
    expected = everything(model)
    assert model._n_updates > 50
    assert model.replay_buffer is not None
    assert model.replay_buffer.full == (replay == 21)

    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    torch.manual_seed(1)
    loaded = load(tmp_path, pytest.fail)
    assert loaded is not None
    again = make(n_envs, config)
    assert again.env is not None
    restore_environments(again.env, loaded.state["environments"])
    restore_dqn(again, loaded.arrays, loaded.state["dqn"])
    again.learn(40 * n_envs, reset_num_timesteps=False)
    found = everything(again)
    assert found[1] == expected[1]
    assert found[0].keys() == expected[0].keys()
    for name, array in expected[0].items():
        np.testing.assert_array_equal(found[0][name], array, err_msg=name)
    assert any("exp_avg_sq" in name for name in expected[0])


def test_all_random_states_come_back(make: Callable[..., SearchDQN]) -> None:
    model = make(1)
    model.learn(10)
    random.gauss(0, 1)
    np.random.standard_normal()  # noqa: NPY002 - each leaves half of a pair behind

    def draw() -> list[float]:
        return [
            random.random(),  # noqa: S311
            random.gauss(0, 1),
            np.random.random(),  # noqa: NPY002
            np.random.standard_normal(),  # noqa: NPY002
            float(torch.rand(1)),
            float(model.action_space.sample()),
        ]

    arrays, state = dqn_state(model)
    arrays = {name: array.copy() for name, array in arrays.items()}
    state = json.loads(json.dumps(state))
    drawn = [draw() for _ in range(5)]
    restore_dqn(model, arrays, state)
    assert [draw() for _ in range(5)] == drawn


def test_an_agent_of_other_settings_is_refused(make: Callable[..., SearchDQN]) -> None:
    model = make(2)
    model.learn(20)
    arrays, state = dqn_state(model)
    with pytest.raises(RunFolderError, match=r"has 2 environments with 5000 .* has 3 with 3333; .*n_envs=2"):
        restore_dqn(make(3), arrays, state)
