"""Where an environment keeps weights, and for how long."""

import copy
import pickle

import pytest
from helpers.relaxation_child import CHILD

from aen_envs import LayerwiseRelaxationEnv


@pytest.mark.parametrize("duplicate", [lambda env: pickle.loads(pickle.dumps(env)), copy.deepcopy])  # noqa: S301 - ours
def test_a_copy_has_weights_of_its_own(duplicate):
    env = LayerwiseRelaxationEnv(child=CHILD, slices=5)
    env.reset()
    env.step(env.action_of(8, "C4"))
    other = duplicate(env)
    folder, its = env.evaluator.weights_folder, other.evaluator.weights_folder
    assert folder != its
    assert len(list(folder.iterdir())) == 2
    assert len(list(its.iterdir())) == 1
    first = env.step(env.action_of(8, "C2"))
    env.close()
    assert not folder.exists()
    second = other.step(other.action_of(8, "C2"))
    assert first[0].tolist() == second[0].tolist()
    assert other.reset()[1]["accuracy"] == first[4]["baseline_accuracy"]
    assert not other.step(other.train_action)[4]["illegal"], "the start's weights are there again"
    other.close()
    assert not its.exists()


def test_a_forgotten_environment_leaves_no_weights():
    env = LayerwiseRelaxationEnv(child=CHILD)
    folder = env.evaluator.weights_folder
    assert folder.is_dir()
    del env
    assert not folder.exists()


def test_an_environment_that_was_never_reset_can_be_copied():
    env = copy.deepcopy(LayerwiseRelaxationEnv(child=CHILD))
    env.reset()
    env.step(env.train_action)
    env.close()


def test_the_twin_has_no_folder():
    env = LayerwiseRelaxationEnv(child=CHILD, inherit=False)
    assert env.evaluator.weights_folder is None
    assert copy.deepcopy(env).evaluator.weights_folder is None
    env.close()


def test_an_evaluator_that_was_handed_in_stays_open_with_its_weights(make_env, make_real, tmp_path):
    env = make_env()
    env.close()
    assert not env.evaluator.closed
    real = make_real()
    real.reset()
    real.close()
    assert len(list(tmp_path.iterdir())) == 1
