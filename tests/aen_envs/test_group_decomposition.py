import math
import pickle
from dataclasses import replace

import gymnasium
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aen.children import DenseSpec
from aen.errors import AenError, GroupError, SpecError
from aen.evaluators import Evaluator, LocalEvaluator
from aen.groups import Alphabet, Decomposition
from aen_envs import GroupDecompositionEnv

QUARTER = (
    *("rot90", "hflip", "vflip", "hshift(1/4)", "vshift(1/4)", "quadrants"),
    *("swap_lr", "swap_tb", "swap_tb_left", "swap_tb_right", "swap_lr_top", "swap_lr_bottom"),
)
PRODUCTS = ("hflip x vflip", "rot90 x| hflip", "hshift(1/2)", "transpose")
# What `alphabet` can be, the factors that it stands for, and grids that they fit.
ALPHABETS = [
    ("quarter", QUARTER, (4, 4)),
    (list(PRODUCTS), PRODUCTS, (4, 2)),
    (Alphabet.of(("rot180", "vshift(3)")), ("rot180", "vshift(3)"), (8, 4)),
    (["hflip"], ("hflip",), (3, 2, 3)),
]
FORMULAS = {
    "paper": lambda a, untied, _: (a - untied) * math.exp(abs(a - untied)),
    "delta": lambda a, untied, _: a - untied,
    "improvement": lambda a, _, before: a - before,
}


@settings(max_examples=60)
@given(data=st.data(), reward=st.sampled_from(sorted(FORMULAS)), stop=st.booleans(), horizon=st.integers(1, 5))
def test_an_episode_obeys_its_definition(table, data, reward, stop, horizon):
    alphabet, factors, grids = data.draw(st.sampled_from(ALPHABETS))
    n = len(factors)
    child = DenseSpec(grids=grids)
    env = GroupDecompositionEnv(
        child=child,
        alphabet=alphabet,
        evaluator=table(),
        reward=reward,
        stop_action=stop,
        horizon=horizon,
        child_seed=data.draw(st.integers(0, 9)),
    )
    assert env.observation_space == gymnasium.spaces.MultiBinary(n)
    assert env.action_space == gymnasium.spaces.Discrete(n + stop)

    bits = data.draw(st.lists(st.integers(0, 1), min_size=n, max_size=n))
    observation, info = env.reset(options={"state": bits})
    expect = _Expectation(child, factors, table)
    expect.state(observation, info, bits)
    accuracies, rewards, ended = [info["accuracy"]], [], False
    while not ended:
        action = data.draw(st.integers(0, n - 1 + stop))
        observation, value, terminated, truncated, info = env.step(action)
        if action < n:
            bits[action] = 1 - bits[action]
        expect.state(observation, info, bits)
        assert value == pytest.approx(FORMULAS[reward](info["accuracy"], expect.untied, accuracies[-1]), abs=1e-12)
        accuracies.append(info["accuracy"])
        rewards.append(value)
        assert terminated == (action == n)
        assert truncated == (not terminated and len(rewards) == horizon)
        ended = terminated or truncated
    if reward == "improvement":
        assert sum(rewards) == pytest.approx(accuracies[-1] - accuracies[0], abs=1e-9)


class _Expectation:
    """What info must say about a state, worked out from its bits alone."""

    def __init__(self, child, factors, table):
        self.child, self.factors, self.table = child, factors, table
        self.untied = table.accuracy(child)

    def state(self, observation, info, bits):
        chosen = [factor for factor, bit in zip(self.factors, bits, strict=True) if bit]
        spec = replace(self.child, decomposition=Decomposition.of(chosen))
        assert observation.dtype == np.int8
        assert observation.tolist() == bits
        assert info["state"] == int("".join(map(str, reversed(bits))), 2)
        assert info["factors"] == (" + ".join(chosen) or "none")
        assert info["class_key"] == spec.class_key
        assert info["accuracy"] == self.table.accuracy(spec)
        assert info["baseline_accuracy"] == self.untied
        assert info["parameters"] == int(spec.class_key, 16) % 977
        assert info["group"] == spec.decomposition.describe(self.child.grids).name
        assert (info["status"], info["seconds"]) == ("ok", 0.25)


def test_the_group_has_the_name_that_people_know(make_env):
    env = make_env(alphabet=["rot90", "hflip", "rot180"])
    names = {bits: env.reset(options={"state": bits})[1]["group"] for bits in [(0, 0, 0), (1, 0, 0), (0, 0, 1)]}
    assert names == {(0, 0, 0): "C1", (1, 0, 0): "C4", (0, 0, 1): "C2"}
    assert env.reset(options={"state": (1, 1, 0)})[1]["group"] == "D4"


def test_the_horizon_is_counted_anew_after_a_reset(make_env):
    env = make_env(horizon=3)
    for _ in range(2):
        env.reset()
        assert [env.step(0)[3] for _ in range(3)] == [False, False, True]


def test_stopping_at_the_horizon_is_a_termination(make_env):
    env = make_env(horizon=1, stop_action=True, alphabet=["hflip"])
    env.reset()
    assert env.step(1)[2:4] == (True, False)


def test_looked_up_tells_new_children_from_known_ones(make_env):
    env = make_env(alphabet=["hflip", "vflip"])
    assert not env.reset(options={"state": [1, 0]})[1]["looked_up"]
    assert [env.step(action)[4]["looked_up"] for action in (1, 0, 1, 0)] == [False, False, True, True]


def test_observations_are_not_reused_buffers(make_env):
    env = make_env(alphabet=["hflip", "vflip"])
    start = np.array([0, 1], dtype=np.int8)
    first, _ = env.reset(options={"state": start})
    second, *_ = env.step(0)
    assert (first.tolist(), second.tolist(), start.tolist()) == ([0, 1], [1, 1], [0, 1])
    second[:] = 0
    start[:] = 0
    assert env.step(1)[0].tolist() == [1, 0]


def test_every_child_has_the_childs_seed_whatever_the_reset_says(make_env, small_child):
    env = make_env(child_seed=5, alphabet=["hflip"])
    for seed in (0, 1, None):
        env.reset(seed=seed)
        env.step(0)
    expected = [small_child.with_seed(5).with_decomposition(Decomposition.of(f)).key for f in ([], ["hflip"])]
    assert set(env.evaluator.asked) == set(expected)


def test_the_childs_own_decomposition_is_not_used(make_env, small_child):
    tied = small_child.with_decomposition(Decomposition.of(["rot90"]))
    assert make_env(child=tied).reset()[1] == make_env().reset()[1]


def test_an_evaluator_that_was_handed_in_stays_open_for_others(make_env):
    env = make_env()
    assert isinstance(env.evaluator, Evaluator)
    env.close()
    assert not env.evaluator.closed


def test_a_pickled_episode_goes_on_the_same(make_env):
    env = make_env(horizon=4, reward="improvement")
    env.reset(seed=3)
    env.step(2)
    copy = pickle.loads(pickle.dumps(env))  # noqa: S301 - our own bytes
    for action in (0, 2, 1):
        ours, theirs = env.step(action), copy.step(action)
        assert ours[0].tolist() == theirs[0].tolist()
        assert ours[1:] == theirs[1:]


def test_a_failing_evaluator_leaves_the_state_as_it_was(make_env, monkeypatch):
    env = make_env(alphabet=["hflip", "vflip"])
    env.reset()
    env.step(0)

    def fail(*_, **__):
        raise RuntimeError("no space left")

    with monkeypatch.context() as patched:
        patched.setattr(env.evaluator, "submit", fail)
        with pytest.raises(RuntimeError, match="no space left"):
            env.step(1)
    assert env.step(0)[0].tolist() == [0, 0]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"reward": "papr"}, SpecError, r"unknown reward 'papr' \(did you mean 'paper'\?\)"),
        ({"reward": "x"}, SpecError, r"unknown reward 'x' \(choose from: accuracy, delta, improvement, paper\)"),
        ({"horizon": 0}, SpecError, "horizon is 0; an episode needs at least 1 step"),
        ({"horizon": -3}, SpecError, "horizon is -3"),
        ({"render_mode": "rgb"}, SpecError, r"unknown render_mode 'rgb' \(.*rgb_array"),
        ({"alphabet": "quater"}, GroupError, r"unknown alphabet 'quater' \(did you mean 'quarter'\?\)"),
        ({"alphabet": ["rot9"]}, GroupError, r"unknown generator 'rot9' \(did you mean 'rot90'\?\)"),
        ({"alphabet": []}, GroupError, "alphabet is empty"),
        ({"alphabet": ["hflip", "hflip"]}, GroupError, "offers 'hflip' more than once"),
        ({"alphabet": "published"}, GroupError, r"'hshift\(4\)' shifts beyond the 4x4 grid"),
        ({"alphabet": ["rot90 x hflip"]}, GroupError, "does not commute"),
        ({"child": DenseSpec(grids=(6, 6))}, GroupError, "1/4 of a side of 6 is not a whole number of cells"),
        ({"child": DenseSpec(grids=(4, 3)), "alphabet": ["quadrants"]}, GroupError, "needs an even grid, not 3x3"),
    ],
)
def test_a_wrong_argument_is_named(make_env, arguments, error, message):
    with pytest.raises(error, match=message):
        make_env(**arguments)


@pytest.mark.parametrize("state", [[0], [0, 1, 0], [0, 2], [0, -1], [[0, 1]], 1, [0.5, 0], [0, 258], "ab", None])
def test_a_wrong_start_state_is_named(make_env, state):
    env = make_env(alphabet=["hflip", "vflip"])
    with pytest.raises(SpecError, match=r"options\['state'\] is .*; give 2 values of 0 or 1"):
        env.reset(options={"state": state})


@pytest.mark.parametrize(
    ("action", "stop"), [(2, False), (3, True), *((wrong, False) for wrong in (-1, 2.0, np.int64(7), "0", None))]
)
def test_a_wrong_action_is_named(make_env, action, stop):
    env = make_env(alphabet=["hflip", "vflip"], stop_action=stop)
    env.reset()
    with pytest.raises(SpecError, match=rf"action is .*; choose 0 to {1 + stop}\."):
        env.step(action)
    assert env.step(0)[0].tolist() == [1, 0]


def test_a_step_needs_a_reset(make_env):
    with pytest.raises(AenError, match="step was called before reset; call reset first"):
        make_env().step(0)


def test_a_child_that_does_not_fit_its_data_is_named(small_child):
    with pytest.raises(SpecError, match="grids start at 4, but the images are 8x8"):
        GroupDecompositionEnv(child=small_child, evaluator=LocalEvaluator()).reset()
