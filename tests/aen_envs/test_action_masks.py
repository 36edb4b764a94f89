"""Every environment says which actions are legal, in every form that libraries ask for."""

import gymnasium as gym
import numpy as np
import pytest
from helpers.table_evaluators import ENVIRONMENTS, LateTable, TableEvaluator

from aen_envs import ChildVectorEnv

WITH_TABLE = {name: make for name, make in ENVIRONMENTS.items() if name not in ("relaxation", "twin")}


@pytest.mark.parametrize("make", WITH_TABLE.values(), ids=WITH_TABLE)
def test_where_nothing_is_illegal_all_actions_are_legal(make):
    env = make(TableEvaluator())
    env.action_space.seed(0)
    _, info = env.reset(seed=0)
    for _ in range(12):
        masks = env.action_masks()
        assert (masks.dtype, masks.shape) == (np.bool_, (env.action_space.n,))
        assert masks.all()
        masks[:] = False  # the agent's own copy
        assert "action_mask" not in info
        *_, terminated, truncated, info = env.step(env.action_space.sample(env.action_masks().astype(np.int8)))
        if terminated or truncated:
            _, info = env.reset()


@pytest.mark.parametrize("make", WITH_TABLE.values(), ids=WITH_TABLE)
def test_masks_come_through_vector_environments(make):
    evaluator = TableEvaluator()
    ours = ChildVectorEnv([make(evaluator) for _ in range(2)])
    theirs = gym.vector.SyncVectorEnv([lambda: make(TableEvaluator())] * 2)
    for envs in (ours, theirs):
        envs.reset(seed=0)
        masks = envs.call("action_masks")
        assert len(masks) == 2
        assert all(mask.all() for mask in masks)


@pytest.mark.parametrize("make", ENVIRONMENTS.values(), ids=ENVIRONMENTS)
def test_masks_of_a_wrapped_environment_are_found(make):
    env = gym.wrappers.TimeLimit(make(LateTable()), 5)
    env.reset()
    assert env.get_wrapper_attr("action_masks")().any()
