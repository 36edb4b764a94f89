"""observation="box", the names of actions, and rewards that are functions."""

import copy
import math
import pickle
import re

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box
from helpers.table_evaluators import ENVIRONMENTS, GCNN, LateTable, draw_action, plain

from aen.errors import SpecError
from aen.spaces import GCNNSpace
from aen_envs import ChildVectorEnv, GCNNDesignEnv
from aen_envs.rewards import REWARDS

kinds = pytest.mark.parametrize("kind", ENVIRONMENTS)
OVER_SPACES = pytest.mark.parametrize("kind", ["decomposition", "layerwise", "design"])


@kinds
def test_a_box_holds_the_same_numbers(kind):
    ours, theirs = (ENVIRONMENTS[kind](LateTable(), observation=form) for form in ("box", "default"))
    space = ours.observation_space
    assert isinstance(space, Box)
    assert (space.dtype, space.shape) == (np.float32, theirs.observation_space.shape)
    assert space.is_bounded()
    if hasattr(theirs, "sizes"):
        assert space.high.tolist() == [size - 1 for size in theirs.sizes]
        assert space.low.tolist() == [0] * len(theirs.sizes)
    random = np.random.default_rng(0)
    outcomes = ours.reset(seed=1), theirs.reset(seed=1)
    for _ in range(4):
        found, expected = (outcome[0] for outcome in outcomes)
        assert found.dtype == np.float32
        assert found in space
        assert found.tolist() == expected.tolist()
        assert plain(outcomes[0][1:]) == plain(outcomes[1][1:])
        action = draw_action(ours, random)
        outcomes = ours.step(action), theirs.step(action)
    space.seed(3)
    first = space.sample()
    space.seed(3)
    assert space.sample().tolist() == first.tolist()
    theirs.restore(ours.snapshot())


@kinds
def test_boxes_in_lockstep(kind):
    table = LateTable()
    env = ChildVectorEnv([ENVIRONMENTS[kind](table, observation="box") for _ in range(2)])
    observations, _ = env.reset()
    assert observations in env.observation_space
    assert env.step(env.action_space.sample())[0].dtype == np.float32


def test_every_action_has_a_name():
    expected = {
        "decomposition": ["toggle rot90", "toggle hflip", ..., "stop"],
        "layerwise": ["toggle 1: rot90", "toggle 1: hflip", "toggle 2: rot90", "toggle 2: hflip"],
        "design": ["next group", "previous group", "toggle augment rotation", ..., "toggle size", "stop"],
        "relaxation": ["relax layer 1 to C4", "relax layer 1 to C1", "relax layer 2 to C4", ..., "train", "stop"],
    }
    for kind, names in expected.items():
        env = ENVIRONMENTS[kind](LateTable())
        found = env.action_names
        assert len(found) == len(set(found)) == env.action_space.n
        cut = names.index(...) if ... in names else len(names)
        assert found[:cut] == names[:cut]
        assert found[len(found) - len(names[cut + 1 :]) :] == names[cut + 1 :]
        made = gymnasium.wrappers.TimeLimit(env, 3)
        assert made.get_wrapper_attr("action_names") == found
    relaxation = ENVIRONMENTS["relaxation"](LateTable())
    assert relaxation.action_names[relaxation.action_of(8, "C4")] == "relax dense layer to C4"
    wide = GCNNDesignEnv(space=GCNNSpace(GCNN), evaluator=LateTable())
    assert wide.action_names[:4] == ["toggle rot90", "toggle vflip", "toggle hflip", "toggle augment rotation"]


@pytest.mark.parametrize("name", REWARDS)
@OVER_SPACES
def test_a_function_is_given_what_the_named_rewards_are_given(kind, name):
    ours, theirs = (ENVIRONMENTS[kind](LateTable(), reward=reward) for reward in (REWARDS[name], name))
    for env in (ours, theirs):
        env.reset(seed=1)
    for action in (1, 2, 1):
        outcomes = [env.step(action) for env in (ours, theirs)]
        assert outcomes[0][1] == outcomes[1][1]
        assert type(outcomes[0][1]) is float


@OVER_SPACES
def test_the_reward_accuracy_is_the_accuracy(kind):
    env = ENVIRONMENTS[kind](LateTable(), reward="accuracy")
    env.reset()
    _, reward, _, _, info = env.step(1)
    assert reward == info["accuracy"] > 0


@pytest.mark.parametrize("value", [3, np.float32(3), np.array(3.0), np.int8(3), True + 2])
def test_any_finite_number_will_do(value):
    env = ENVIRONMENTS["decomposition"](LateTable(), reward=lambda *_: value)
    env.reset()
    assert env.step(0)[1] == 3.0


def raising(*accuracies):
    raise KeyError(f"cost of {len(accuracies)}")


def divides(accuracy, *_):
    return accuracy / 0


@pytest.mark.parametrize(
    ("reward", "message"),
    [
        (
            raising,
            r"reward .*\.raising failed for accuracy=0.*, baseline=0.*, previous=0.*: KeyError: 'cost of 3'",
        ),
        (divides, r"reward .*\.divides failed for .*: ZeroDivisionError"),
        *(
            (lambda *_, value=value: value, f"returned {re.escape(repr(value))}.* for accuracy=.*must return a finite")
            for value in (math.nan, math.inf, -np.inf, None, "1.0", True, 1j)
        ),
        (lambda *_: [1.0], r"returned \[1\.0\], of type list,"),
        (lambda *_: np.ones(1), r"returned array\(\[1\.\]\), of type ndarray,"),
    ],
)
def test_a_reward_that_fails_is_named_and_changes_nothing(reward, message):
    env = ENVIRONMENTS["decomposition"](LateTable(), reward=reward)
    env.reset(seed=1)
    before = env.snapshot()
    with pytest.raises(SpecError, match=message):
        env.step(0)
    assert env.snapshot() == before


@pytest.mark.parametrize("reward", [lambda: 1, abs, lambda _1, _2, _3, _4: 1, lambda *, _1: 1, float])
def test_a_function_of_other_arguments_is_refused(reward):
    with pytest.raises(SpecError, match=r"reward .* takes \(.*\), but is called with .*reward\(accuracy"):
        ENVIRONMENTS["decomposition"](LateTable(), reward=reward)


def test_in_lockstep_a_reset_is_due_after_a_failing_reward():
    def second_fails(accuracy, *_):
        calls.append(accuracy)
        return math.nan if len(calls) == 2 else 0.0

    calls, table = [], LateTable()
    env = ChildVectorEnv([ENVIRONMENTS["decomposition"](table, reward=second_fails) for _ in range(2)])
    env.reset()
    with pytest.raises(SpecError, match="returned nan"):
        env.step(np.array([0, 1]))
    with pytest.raises(SpecError, match="after one that failed; call reset first"):
        env.step(np.array([0, 1]))
    env.reset()
    env.step(np.array([0, 1]))


def test_an_environment_with_a_function_is_copied_and_pickled():
    env = ENVIRONMENTS["decomposition"](LateTable(), reward=REWARDS["paper"])
    env.reset(seed=1)
    for copied in (copy.deepcopy(env), pickle.loads(pickle.dumps(env))):  # noqa: S301 - our own
        assert copied.reward is REWARDS["paper"]
        copied.step(1)
    assert env.snapshot()["environment"]["reward"] == "aen_envs.rewards.paper_reward"
