"""Trainings that diverge, and evaluators that fail."""

from dataclasses import replace

import numpy as np
import pytest
from helpers.relaxation_child import CHILD, TRAINING

from aen_envs import LayerwiseRelaxationEnv


@pytest.mark.parametrize("inherit", [False, True])
@pytest.mark.parametrize("when", [1, 3])
def test_after_a_divergence_one_can_only_stop(trainings, inherit, when):
    env = LayerwiseRelaxationEnv(child=CHILD, evaluator=trainings(diverging={when}), inherit=inherit)
    _, info = env.reset()
    before, reward = info["accuracy"], 0.0
    for _ in range(when - 1):
        before = info["accuracy"]
        _, reward, *_, info = env.step(env.train_action)
    assert (info["status"], info["accuracy"]) == ("diverged", 0.0)
    assert reward == (-before if when > 1 else 0.0)
    assert np.flatnonzero(env.action_masks()).tolist() == [env.stop_action]
    asked, left = len(env.evaluator.asked), info["slices_left"]
    observation, reward, terminated, truncated, info = env.step(env.train_action)
    assert (reward, terminated, truncated, info["illegal"], info["slices_left"]) == (-0.01, False, False, True, left)
    assert observation[-2] == 0
    assert len(env.evaluator.asked) == asked
    assert env.step(env.stop_action)[1:3] == (0.0, True)


def test_a_training_that_diverges_is_met_in_earnest(make_real):
    env = make_real(child=replace(CHILD, training=replace(TRAINING, optimiser="sgd", learning_rate=1e30)))
    _, info = env.reset()
    assert info["status"] == "diverged"
    assert np.flatnonzero(info["action_mask"]).tolist() == [env.stop_action]


@pytest.mark.parametrize("fails", ["start", "step"])
def test_a_failing_evaluator_leaves_the_state_as_it_was(make_env, monkeypatch, fails):
    env, twin = make_env(), make_env()
    for each in (env, twin):
        each.reset(seed=1)
        each.step(each.action_of(8, "C4"))

    def fail(*_, **__):
        raise RuntimeError("no space left")

    with monkeypatch.context() as patched:
        patched.setattr(env.evaluator, "submit", fail)
        with pytest.raises(RuntimeError, match="no space left"):
            env.reset() if fails == "start" else env.step(env.action_of(8, "C2"))
    ours, theirs = env.step(env.action_of(7, "C4")), twin.step(twin.action_of(7, "C4"))
    assert ours[0].tolist() == theirs[0].tolist()
    assert ours[1:4] == theirs[1:4]
    assert {k: str(v) for k, v in ours[4].items()} == {k: str(v) for k, v in theirs[4].items()}
