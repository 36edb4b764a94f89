"""sb3-contrib's MaskablePPO trains on every environment, alone and in SB3's vector environments."""

import numpy as np
import pytest
from helpers.table_evaluators import ENVIRONMENTS, LateTable
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv

from aen_agents.agents.dqn.vec_env import LockstepVecEnv

sb3_contrib = pytest.importorskip("sb3_contrib", reason="sb3-contrib is in requirements-dev.lock")


def learn(envs):
    model = sb3_contrib.MaskablePPO("MlpPolicy", envs, n_steps=8, batch_size=8, n_epochs=1, seed=0)
    model.learn(16)
    return model


@pytest.mark.parametrize("actions", [{}, {"actions": "legal"}], ids=["default", "legal"])
@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_it_learns(name, actions):
    if actions and name not in {"relaxation", "twin"}:
        pytest.skip("actions is an argument of relaxations")
    evaluator = LateTable()
    learn(ENVIRONMENTS[name](evaluator, **actions))
    learn(DummyVecEnv([lambda: ENVIRONMENTS[name](LateTable(), **actions)] * 2))
    model = learn(LockstepVecEnv([ENVIRONMENTS[name](evaluator, **actions) for _ in range(2)]))
    masks = np.stack(model.env.env_method("action_masks"))
    action, _ = model.predict(model.env.reset(), action_masks=masks)
    assert all(mask[chosen] for mask, chosen in zip(masks, action, strict=True))


@pytest.mark.slow
def test_it_learns_in_processes():
    envs = SubprocVecEnv([lambda: ENVIRONMENTS["design"](LateTable())] * 2, start_method="spawn")
    learn(envs)
    envs.close()
