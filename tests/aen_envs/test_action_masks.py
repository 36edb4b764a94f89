"""Every environment says which actions are legal, in every form that libraries ask for."""

import gymnasium as gym
import numpy as np
import pytest
from helpers.table_evaluators import ENVIRONMENTS, LateTable, TableEvaluator

from aen_envs import ChildVectorEnv

WITH_TABLE = {name: make for name, make in ENVIRONMENTS.items() if name != "relaxation"}


@pytest.mark.parametrize("make", WITH_TABLE.values(), ids=WITH_TABLE)
def test_mask_and_info_agree(make):
    env = make(TableEvaluator())
    env.action_space.seed(0)
    _, info = env.reset(seed=0)
    for _ in range(12):
        masks, mask = env.action_masks(), info["action_mask"]
        assert (masks.dtype, mask.dtype, masks.shape) == (np.bool_, np.int8, (env.action_space.n,))
        assert masks.tolist() == mask.astype(bool).tolist()
        action = env.action_space.sample(mask)
        assert masks[action]
        mask[:] = 0  # the agent's own copy
        assert env.action_masks().any()
        *_, terminated, truncated, info = env.step(action)
        if terminated or truncated:
            _, info = env.reset()
    if not hasattr(env, "train_action"):
        assert env.action_masks().all()


@pytest.mark.parametrize("make", WITH_TABLE.values(), ids=WITH_TABLE)
def test_masks_come_through_vector_environments(make):
    evaluator = TableEvaluator()
    ours = ChildVectorEnv([make(evaluator) for _ in range(2)])
    theirs = gym.vector.SyncVectorEnv([lambda: make(TableEvaluator())] * 2)
    for envs in (ours, theirs):
        _, infos = envs.reset(seed=0)
        masks = envs.call("action_masks")
        assert infos["action_mask"].astype(bool).tolist() == [mask.tolist() for mask in masks]


@pytest.mark.parametrize("make", ENVIRONMENTS.values(), ids=ENVIRONMENTS)
def test_masks_of_a_wrapped_environment_are_found(make):
    env = gym.wrappers.TimeLimit(make(LateTable()), 5)
    env.reset()
    assert env.get_wrapper_attr("action_masks")().any()
