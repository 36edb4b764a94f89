"""observe_symmetry_test=True: the test of the training images as a part of observations."""

import copy
import pickle

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box, Dict, MultiBinary
from gymnasium.utils.env_checker import check_env

import aen
from aen.children import GCNNSpec
from aen.data import load_dataset
from aen.errors import SpecError
from aen.spaces import GCNNSpace
from aen_agents.agents.dqn.vec_env import LockstepVecEnv
from aen_envs import GroupDecompositionEnv, LayerwiseGroupEnv, SpaceEnv, symmetry_observation
from aen_envs.group_decomposition import quick_child

FACTORS = ("rot90", "hflip", "swap_lr")  # the first two are hidden in the default child's images
KINDS = {"decomposition": (GroupDecompositionEnv, 3), "layerwise": (LayerwiseGroupEnv, 6)}
kinds = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture
def make(table):
    return lambda kind, **options: KINDS[kind][0](
        evaluator=table(), alphabet=FACTORS, horizon=4, observe_symmetry_test=True, **options
    )


def expected_scores() -> list[float]:
    """The z of the test, cut off at 10, of the training images alone."""
    train = load_dataset(quick_child().data).train
    return [min(row.z, 10.0) for row in aen.symmetry_test(train.images, train.labels, FACTORS).rows]


@kinds
def test_the_scores_stand_beside_the_state(kind, make):
    env, places = make(kind), KINDS[kind][1]
    assert env.observation_space == Dict(
        {"state": MultiBinary(places), "symmetry_test": Box(-10, 10, (3,), np.float32)}
    )
    env.reset()
    observation = env.step(1)[0]
    assert observation in env.observation_space
    assert observation["state"].tolist() == [0, 1] + [0] * (places - 2)
    assert observation["symmetry_test"] == pytest.approx(expected_scores(), abs=1e-4)
    assert abs(observation["symmetry_test"][:2]).max() < 4
    assert observation["symmetry_test"][2] == 10


@kinds
def test_a_box_has_them_after_the_state(kind, make):
    boxed, plain = make(kind, observation="box"), make(kind)
    assert isinstance(boxed.observation_space, Box)
    observation, expected = boxed.reset()[0], plain.reset()[0]
    assert observation in boxed.observation_space
    assert observation.tolist() == [*expected["state"].tolist(), *expected["symmetry_test"].tolist()]


@kinds
def test_all_else_is_as_without(kind, make, table):
    env = make(kind)
    plain = KINDS[kind][0](evaluator=table(), alphabet=FACTORS, horizon=4)
    assert env.action_space == plain.action_space
    assert env.reset(seed=1)[1] == plain.reset(seed=1)[1]
    assert env.action_masks().tolist() == plain.action_masks().tolist()
    for action in (0, 1, 0):
        ours, theirs = env.step(action), plain.step(action)
        assert ours[0]["state"].tolist() == theirs[0].tolist()
        assert ours[1:] == theirs[1:]


@kinds
@pytest.mark.parametrize("observation", ["default", "box"])
def test_gymnasiums_checker_and_copies(kind, make, observation):
    env = make(kind, observation=observation)
    check_env(env, skip_render_check=True)
    first = env.reset()[0]
    for other in (copy.deepcopy(env), pickle.loads(pickle.dumps(env))):  # noqa: S301
        again = other.reset()[0]
        assert str(again) == str(first)


def test_a_returned_array_may_be_changed(make):
    env = make("decomposition")
    env.reset()[0]["symmetry_test"][:] = 0
    assert env.reset()[0]["symmetry_test"][2] == 10


def test_several_environments_side_by_side(make):
    vector = gymnasium.make_vec(
        "aen/GroupDecomposition-v0", num_envs=2, observe_symmetry_test=True, alphabet=list(FACTORS)
    )
    assert vector.reset()[0]["symmetry_test"].shape == (2, 3)
    vector.close()
    first, second = make("decomposition"), make("decomposition")
    second.evaluator = first.evaluator
    environments = LockstepVecEnv([first, second])
    assert environments.reset()["state"].shape == (2, 3)
    observations = environments.step(np.array([0, 2]))[0]
    assert observations["state"].tolist() == [[1, 0, 0], [0, 0, 1]]
    assert observations["symmetry_test"].shape == (2, 3)


def test_equal_environments_share_one_test(make, monkeypatch):
    make("decomposition")
    monkeypatch.setattr(symmetry_observation, "symmetry_test", None)  # calling it again would fail
    make("decomposition")


def test_wrong_use_is_refused(table):
    with pytest.raises(SpecError, match="observe_symmetry_test is 3"):
        GroupDecompositionEnv(evaluator=table(), observe_symmetry_test=3)

    class Bare(GCNNSpace):
        def symmetry_factors(self):
            return ()

    with pytest.raises(SpecError, match="a Bare has no symmetries to test; leave it out"):
        SpaceEnv(Bare(GCNNSpec()), evaluator=table(), observe_symmetry_test=True)
