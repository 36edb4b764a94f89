import math
from itertools import chain

import gymnasium
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aen.children import DenseSpec
from aen.errors import GroupError, SpecError
from aen.groups import Decomposition
from aen_envs import LayerwiseGroupEnv

CASES = [
    (["rot90", "hflip", "quadrants"], (4, 4)),
    (["rot90", "hflip x vflip"], (4, 2, 4)),
    (["hflip"], (3, 2, 3, 2)),
]
FORMULAS = {
    "paper": lambda a, untied, _: (a - untied) * math.exp(abs(a - untied)),
    "delta": lambda a, untied, _: a - untied,
    "improvement": lambda a, _, before: a - before,
}


@pytest.fixture
def make_env(table):
    child = DenseSpec(grids=(4, 4, 2))
    return lambda **arguments: LayerwiseGroupEnv(
        **({"child": child, "evaluator": table(), "alphabet": ["rot90", "hflip", "vflip"]} | arguments)
    )


@settings(max_examples=60)
@given(data=st.data(), reward=st.sampled_from(sorted(FORMULAS)), stop=st.booleans(), horizon=st.integers(1, 5))
def test_an_episode_obeys_its_definition(table, data, reward, stop, horizon):
    factors, grids = data.draw(st.sampled_from(CASES))
    child = DenseSpec(grids=grids, seed=data.draw(st.integers(0, 9)))
    count, n = len(grids) - 1, len(factors)
    env = LayerwiseGroupEnv(
        child=child,
        alphabet=factors,
        evaluator=table(),
        reward=reward,
        stop_action=stop,
        horizon=horizon,
        child_seed=child.seed,
    )
    assert env.observation_space == gymnasium.spaces.MultiBinary(n * count)
    assert env.action_space == gymnasium.spaces.Discrete(n * count + stop)

    bits = data.draw(st.lists(st.lists(st.integers(0, 1), min_size=n, max_size=n), min_size=count, max_size=count))
    observation, info = env.reset(options={"state": list(chain(*bits))})
    accuracies, ended = [info["accuracy"]], False
    while not ended:
        action = data.draw(st.integers(0, n * count - 1 + stop))
        observation, value, terminated, truncated, info = env.step(action)
        if action < n * count:
            bits[action // n][action % n] ^= 1
        flat = list(chain(*bits))
        spec = child.with_layers(
            [Decomposition.of([f for f, bit in zip(factors, own, strict=True) if bit]) for own in bits]
        )
        assert observation.dtype == np.int8
        assert observation.tolist() == flat
        assert info["state"] == int("".join(map(str, reversed(flat))), 2)
        assert (info["factors"], info["group"], info["class_key"]) == (spec.name, spec.group, spec.class_key)
        assert info["accuracy"] == table.accuracy(spec)
        assert info["baseline_accuracy"] == table.accuracy(child)
        assert value == pytest.approx(FORMULAS[reward](info["accuracy"], table.accuracy(child), accuracies[-1]))
        accuracies.append(info["accuracy"])
        assert terminated == (action == n * count)
        assert truncated == (not terminated and len(accuracies) == horizon + 1)
        ended = terminated or truncated


def test_a_layer_s_factors_are_its_own(make_env):
    env = make_env()
    assert env.reset()[1]["group"] == "C1"
    names = [env.step(action)[4]["factors"] for action in (0, 4, 3, 1)]
    assert names == ["rot90 | none", "rot90 | hflip", "rot90 | rot90 + hflip", "rot90 + hflip"]


def test_the_childs_own_decompositions_are_not_used(make_env):
    tied = DenseSpec(grids=(4, 4, 2)).with_layers([Decomposition.of(["rot90"]), Decomposition()])
    assert make_env(child=tied).reset()[1] == make_env().reset()[1]


def test_it_draws_its_state(make_env):
    env = make_env(render_mode="ansi")
    env.reset()
    env.step(4)
    text = env.render()
    assert text.startswith(" 1: rot90   1: hflip   1: vflip   2: rot90  [2: hflip]  2: vflip ")
    assert "step 1: group C1 | C2" in text
    pictured = make_env(render_mode="rgb_array")
    pictured.reset()
    before = pictured.render()
    pictured.step(4)
    assert before.shape == pictured.render().shape == (360, 960, 3)
    assert not np.array_equal(before, pictured.render())


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"reward": "papr"}, SpecError, r"unknown reward 'papr' \(did you mean 'paper'\?\)"),
        ({"horizon": 0}, SpecError, "horizon is 0; an episode needs at least 1 step"),
        ({"alphabet": "quater"}, GroupError, r"unknown alphabet 'quater' \(did you mean 'quarter'\?\)"),
        ({"child": DenseSpec(grids=(4, 3)), "alphabet": ["quadrants"]}, GroupError, "needs an even grid, not 3x3"),
    ],
)
def test_a_wrong_argument_is_named(make_env, arguments, error, message):
    with pytest.raises(error, match=message):
        make_env(**arguments)


@pytest.mark.parametrize("state", [[0, 1, 0], [0] * 5 + [2], None])
def test_a_wrong_start_state_is_named(make_env, state):
    with pytest.raises(SpecError, match=r"options\['state'\] is .*; give 6 values of 0 or 1"):
        make_env().reset(options={"state": state})
