import math

import gymnasium
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aen.children import GCNNSpec
from aen.errors import SpecError
from aen.spaces import GCNNSpace
from aen_envs import GCNNDesignEnv

CHILD = GCNNSpec(seed=1)
SPACES = {
    "published": GCNNSpace(CHILD),
    "wide": GCNNSpace(CHILD, groups=("C1", "C2", "D4"), kernel_sizes=(3, 5), stage_widths=(1.0, 0.5, 2.0)),
    "two groups": GCNNSpace(CHILD, groups=("C1", "D4")),
}
FORMULAS = {
    "paper": lambda a, reference, _: (a - reference) * math.exp(abs(a - reference)),
    "delta": lambda a, reference, _: a - reference,
    "improvement": lambda a, _, before: a - before,
}


@pytest.fixture
def make_env(table):
    return lambda **arguments: GCNNDesignEnv(**({"space": SPACES["published"], "evaluator": table()} | arguments))


def actions_of(sizes):
    """Every action's place and step, written down in the order that the documentation gives."""
    found = []
    for place, size in enumerate(sizes):
        found.append((place, 1))
        if size > 2:
            found.append((place, -1))
    return found


@settings(max_examples=60)
@given(
    data=st.data(),
    which=st.sampled_from(sorted(SPACES)),
    reward=st.sampled_from(sorted(FORMULAS)),
    reference=st.sampled_from(["untied", "rot90"]),
    stop=st.booleans(),
    horizon=st.integers(1, 5),
)
def test_an_episode_obeys_its_definition(table, data, which, reward, reference, stop, horizon):
    space = SPACES[which].with_seed(data.draw(st.integers(0, 9)))
    env = GCNNDesignEnv(
        space=SPACES[which],
        evaluator=table(),
        reward=reward,
        reference=reference,
        stop_action=stop,
        horizon=horizon,
        child_seed=space.child.seed,
    )
    actions = actions_of(space.sizes)
    assert env.action_space == gymnasium.spaces.Discrete(len(actions) + stop)
    a0 = table.accuracy(space.child if reference == "untied" else space.spec_of_moves(("rot90",)))

    state = [data.draw(st.integers(0, size - 1)) for size in space.sizes]
    observation, info = env.reset(options={"state": state})
    accuracies, ended = [info["accuracy"]], False
    while not ended:
        action = data.draw(st.integers(0, len(actions) - 1 + stop))
        observation, value, terminated, truncated, info = env.step(action)
        if action < len(actions):
            place, step = actions[action]
            state[place] = (state[place] + step) % space.sizes[place]
        assert observation in env.observation_space
        assert observation.tolist() == state
        spec = space.spec_of(state)
        assert (info["factors"], info["group"], info["class_key"]) == (spec.name, spec.group, spec.class_key)
        assert info["state"] == space.number_of(state)
        assert info["accuracy"] == table.accuracy(spec)
        assert info["baseline_accuracy"] == a0
        assert value == pytest.approx(FORMULAS[reward](info["accuracy"], a0, accuracies[-1]), abs=1e-12)
        accuracies.append(info["accuracy"])
        assert terminated == (action == len(actions))
        assert truncated == (not terminated and len(accuracies) == horizon + 1)
        ended = terminated or truncated


def test_the_published_space_is_ten_bits(make_env):
    env = make_env()
    assert env.observation_space == gymnasium.spaces.MultiBinary(10)
    assert env.action_space == gymnasium.spaces.Discrete(10)
    assert env.horizon == 50
    assert env.changes == tuple((place, 1) for place in range(10))


def test_a_wide_space_has_numbers_and_two_actions_for_a_place_of_more_than_two(make_env):
    env = make_env(space=SPACES["wide"])
    assert env.observation_space == gymnasium.spaces.MultiDiscrete([3, 2, 2, 2, 2, 2, 2, 2, 2, 3, 3])
    assert env.action_space.n == 11 + 3
    env.reset()
    back, *_ = env.step(1)
    assert back[0] == 2
    round_again, *_ = env.step(0)
    assert round_again[0] == 0


@pytest.mark.parametrize("reference", ["untied", "rot90"])
def test_the_reference_is_looked_up_afterwards(make_env, reference):
    env = make_env(reference=reference)
    _, start = env.reset()
    assert not start["looked_up"]
    *_, info = env.step(0)
    assert info["looked_up"] == (reference == "rot90")


def test_children_have_the_childs_seed(make_env):
    env = make_env(child_seed=7)
    env.reset(seed=1)
    assert env.evaluator.asked == [CHILD.with_seed(7).key] * 2


@pytest.mark.parametrize("which", ["published", "wide"])
def test_it_draws_its_state(make_env, which):
    env = make_env(space=SPACES[which], render_mode="ansi", reference="rot90")
    env.reset()
    env.step(0)
    text = env.render()
    assert text.startswith("[rot90]  vflip " if which == "published" else "[group C2]")
    assert "step 1: group C" in text
    assert "(rot90 " in text
    pictured = make_env(space=SPACES[which], render_mode="rgb_array")
    pictured.reset()
    before = pictured.render()
    pictured.step(0)
    assert before.shape == pictured.render().shape == (360, 960, 3)
    assert not np.array_equal(before, pictured.render())


@pytest.mark.parametrize("state", [[0], [0] * 9 + [2], [0] * 9 + [-1], None, [0.5] * 10])
def test_a_wrong_start_state_is_named(make_env, state):
    with pytest.raises(SpecError, match=r"options\['state'\] is .*; give 10 values of 0 or 1"):
        make_env().reset(options={"state": state})
    with pytest.raises(SpecError, match=r"give 11 values of which each lies from 0 to below its place's \[3, 2,"):
        make_env(space=SPACES["wide"]).reset(options={"state": state})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"reference": "rot9"}, r"unknown reference 'rot9' \(did you mean 'rot90'\?\)"),
        ({"reward": "papr"}, r"unknown reward 'papr' \(did you mean 'paper'\?\)"),
        ({"horizon": 0}, "horizon is 0; an episode needs at least 1 step"),
        ({"render_mode": "rgb"}, r"unknown render_mode 'rgb'"),
    ],
)
def test_a_wrong_argument_is_named(make_env, arguments, message):
    with pytest.raises(SpecError, match=message):
        make_env(**arguments)
