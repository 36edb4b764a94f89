"""Actions, masks, budgets and observations."""

import gymnasium
import numpy as np
import pytest
from helpers.relaxation_child import CHILD, FEW

from aen.errors import SpecError


def test_an_illegal_action_trains_nothing(make_env):
    env = make_env(horizon=3)
    start, _ = env.reset()
    for number in range(3):
        observation, reward, terminated, truncated, info = env.step(env.action_of(0, "C4"))
        assert observation.tolist() == start.tolist()
        assert (reward, terminated, truncated) == (-0.01, False, number == 2)
        assert (info["illegal"], info["slices_left"], info["looked_up"]) == (True, 20, True)
    assert len(env.evaluator.asked) == 1


def test_steps_are_counted_anew_after_a_reset(make_env):
    env = make_env(horizon=3)
    for _ in range(2):
        env.reset()
        assert [env.step(0)[3] for _ in range(3)] == [False, False, True]


def test_the_budget_is_anew_after_a_reset(make_env):
    env = make_env(slices=2)
    for _ in range(2):
        env.reset()
        assert [env.step(env.train_action)[3] for _ in range(2)] == [False, True]
        assert np.flatnonzero(env.action_masks()).tolist() == [env.stop_action]
        *_, truncated, info = env.step(env.train_action)
        assert truncated
        assert info["illegal"]


def test_masks_are_as_others_want_them(make_env):
    env = gymnasium.make("aen/LayerwiseRelaxation-v0", child=CHILD, evaluator=make_env().evaluator)
    _, info = env.reset()
    masks = env.get_wrapper_attr("action_masks")()
    assert (masks.dtype, masks.shape) == (np.bool_, (9 * 9 + 2,))
    assert info["action_mask"].dtype == np.int8
    env.action_space.seed(0)
    assert all(masks[env.action_space.sample(info["action_mask"])] for _ in range(50))
    masks[:] = False
    info["action_mask"][:] = 0
    assert env.unwrapped.action_masks().sum() == 3 + 2, "C4, D2 and D2d for the last layer, training on, stopping"


def test_actions_are_found_by_layer_and_group(make_env):
    env = make_env(groups=FEW)
    assert [env.action_of(*relaxation) for relaxation in env.relaxations] == list(range(9 * 4))
    for layer, group in ((9, "C4"), (0, "D4"), (-1, "C1")):
        with pytest.raises(SpecError, match=f"layer is {layer} and group '{group}'; layers from 0 to 8 are relaxed"):
            env.action_of(layer, group)


def test_observations_and_states_are_not_reused_buffers(make_env):
    env = make_env()
    first, _ = env.reset()
    kept = first.copy()
    second, *_ = env.step(env.action_of(8, "C4"))
    assert first.tolist() == kept.tolist()
    second[:] = 0
    assert env.step(env.stop_action)[0].sum() > 9
