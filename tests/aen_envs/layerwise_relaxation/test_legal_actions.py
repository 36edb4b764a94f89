"""actions="legal": the legal actions counted in each state, and none that is illegal."""

import numpy as np
import pytest
from helpers.relaxation_child import CHILD, FEW
from helpers.table_evaluators import LateTable

from aen.errors import SpecError
from aen.evaluators import TabularEvaluator
from aen_envs import LayerwiseRelaxationEnv


def make(actions="legal", **other):
    arguments = {"child": CHILD, "groups": FEW, "slices": 6, "evaluator": LateTable(), "actions": actions}
    return LayerwiseRelaxationEnv(**(arguments | other))


def after(env):
    """The state that each action leads to, from the current one; None for stopping."""
    here = env._current.state
    moves = [env.begin_step(action) for action in range(env.action_space.n)]
    assert env._current.state == here
    return [move.state if move.specs else None for move in moves]


def test_each_action_is_a_legal_one():
    env, every = make(), make("all")
    random = np.random.default_rng(0)
    met = set()
    for _ in range(30):
        start = {"state": random.choice(env.space.all_states).tolist()}
        env.reset(options=start)
        every.reset(options=start)
        states = after(env)
        count = env.train_action
        assert (states[env.train_action], states[env.stop_action]) == (env._current.state, None)
        assert {state for state in states if state is not None} == {
            state for state, can in zip(after(every), every.action_masks(), strict=True) if can and state is not None
        }
        some = len(env.space.relaxations(env._current.state))
        met.add(some)
        assert [states[k] for k in range(count)] == [
            states[k % some] if some else env._current.state for k in range(count)
        ]
        assert env.action_masks().tolist() == [k < some for k in range(count)] + [True, True]
    assert len(met) > 2
    assert env.action_space.n == max(len(env.space.relaxations(state)) for state in env.space.all_states) + 2


def test_the_last_layer_comes_first_and_large_groups_before_small_ones():
    env = make()
    env.reset(options={"state": [0, 0, 0, 0, 0, 1, 1, 1, 3]})
    assert env.space.groups == ("D4", "C4", "D2", "C2", "C1")
    named = [(layer, env.space.groups[number]) for layer, number in env._actions.legal(env._current.state)]
    assert named == [(8, "C1"), (7, "C2"), (4, "C4")]
    assert [env.action_of(*pair) for pair in named] == [0, 1, 2]
    with pytest.raises(
        SpecError, match="layer 3 cannot be relaxed to D2 in this state; legal are 8 to C1, 7 to C2, 4 to C4"
    ):
        env.action_of(3, "D2")


def test_no_step_is_illegal_and_snapshots_name_the_actions():
    env = make()
    env.reset(seed=0)
    for action in (0, 2, 1, env.train_action, 0, 1):
        assert not env.step(action)[4]["illegal"]
    assert env.snapshot()["environment"]["actions"] == "legal"
    other = make("all")
    other.reset()
    assert "actions" not in other.snapshot()["environment"]
    with pytest.raises(SpecError, match="with actions None instead of 'legal'"):
        env.restore(other.snapshot())


def test_after_a_training_that_diverged_every_action_stops():
    def diverged(spec):
        found = LateTable().evaluation(spec)
        return type(found)(**(vars(found) | {"status": "diverged", "validation_accuracy": 0.0}))

    for action in (0, 1):
        env = make(evaluator=TabularEvaluator(diverged), inherit=False)
        env.reset()
        assert np.flatnonzero(env.action_masks()).tolist() == [env.stop_action]
        _, reward, terminated, truncated, info = env.step(action)
        assert (reward, terminated, truncated, info["illegal"]) == (0.0, True, False, False)


def test_wrong_arguments_are_refused():
    with pytest.raises(SpecError, match=r"unknown actions 'legl' \(did you mean 'legal'\?\)"):
        make("legl")
    with pytest.raises(SpecError, match="action_of was called before reset"):
        make().action_of(8, "C4")
