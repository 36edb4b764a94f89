"""Thousands of walks at once: what Gymnasium's SyncVectorEnv over single environments returns."""

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.wrappers import TimeLimit
from gymnasium.wrappers.vector import FlattenObservation, RecordEpisodeStatistics
from helpers.table_evaluators import plain
from helpers.tables import DENSE_TABLE, TABULAR, drawn_table

from aen.errors import SpecError, TableError
from aen_envs import TABULAR_IDS, TabularVectorEnv

WALKS = 5
MODES = (AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP)
each = pytest.mark.parametrize("environment_id", TABULAR_IDS)
each_mode = pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.value)
ARGUMENTS = {
    "bare": {"horizon": 6},
    "full": {"horizon": 5, "stop_action": True, "observe": "full", "reward": "improvement"},
    "mean": {"horizon": 4, "observation": "box", "noise": "mean", "epoch": 1, "reward": "paper"},
    "function": {"horizon": 9, "stop_action": True, "child_seed": 5, "reward": lambda a, a0, b: a / 3 + a0 * b},
}


def make(environment_id, walks=WALKS, **arguments):
    return gymnasium.make_vec(
        f"aen_envs:{environment_id}",
        num_envs=walks,
        vectorization_mode="vector_entry_point",
        **(TABULAR[environment_id] | arguments),
    )


def both(environment_id, mode, limit=None, **arguments):
    """Ours and Gymnasium's."""

    def single():
        env = gymnasium.make(environment_id, **(TABULAR[environment_id] | arguments)).unwrapped
        return env if limit is None else TimeLimit(env, limit)

    ours = make(environment_id, autoreset_mode=mode, max_episode_steps=limit, **arguments)
    return ours, SyncVectorEnv([single] * WALKS, autoreset_mode=mode)


@each
@each_mode
@pytest.mark.parametrize("arguments", ARGUMENTS.values(), ids=ARGUMENTS)
def test_it_returns_what_gymnasiums_own_does(environment_id, mode, arguments):
    ours, theirs = both(environment_id, mode, **arguments)
    assert isinstance(ours, TabularVectorEnv)
    assert (ours.observation_space, ours.action_space) == (theirs.observation_space, theirs.action_space)
    assert ours.single_observation_space == theirs.single_observation_space
    assert ours.metadata["autoreset_mode"] is mode
    random = np.random.default_rng(0)
    state = [1] + [0] * (len(ours.env.sizes) - 1)
    ended = 0
    for seed, options in [
        (3, None),
        (None, {"state": state}),
        ([5, None, 1, None, None], None),
        (None, {"forget": True}),
    ]:
        assert plain(list(ours.reset(seed=seed, options=options))) == plain(
            list(theirs.reset(seed=seed, options=options))
        )
        for _ in range(12):
            actions = random.integers(ours.single_action_space.n, size=WALKS)
            found, expected = ours.step(actions), theirs.step(actions)
            assert plain(list(found)) == plain(list(expected))
            assert found[0] in ours.observation_space
            ended += int((found[2] | found[3]).sum())
    assert ended > WALKS


@each_mode
def test_a_limit_of_steps_is_that_of_a_wrapper(mode):
    ours, theirs = both(TABULAR_IDS[0], mode, limit=3, stop_action=True, horizon=50)
    ours.reset(seed=0), theirs.reset(seed=0)
    for actions in np.random.default_rng(1).integers(5, size=(9, WALKS)):
        assert plain(list(ours.step(actions))) == plain(list(theirs.step(actions)))


def test_some_walks_start_over_where_autoreset_is_disabled():
    ours, theirs = both(TABULAR_IDS[0], AutoresetMode.DISABLED, stop_action=True)
    ours.reset(seed=0), theirs.reset(seed=0)
    actions = np.array([4, 0, 4, 1, 2])
    assert plain(list(ours.step(actions))) == plain(list(theirs.step(actions)))
    with pytest.raises(SpecError, match=r"the episodes of environments \[0, 2\] have ended; reset them with"):
        ours.step(actions)
    mask = np.array([True, False, True, False, False])
    found = ours.reset(options={"reset_mask": mask})
    assert plain(list(found)) == plain(list(theirs.reset(options={"reset_mask": mask})))
    assert plain(list(ours.step(actions * 0))) == plain(list(theirs.step(actions * 0)))


def test_the_walks_of_many_are_those_of_few():
    many, few = (make(TABULAR_IDS[0], walks, horizon=7, observe="full") for walks in (300, WALKS))
    many.reset(seed=0), few.reset(seed=0)
    for actions in np.random.default_rng(2).integers(4, size=(20, 300)):
        all_of, some = many.step(actions), few.step(actions[:WALKS])
        assert all_of[1][:WALKS].tolist() == some[1].tolist()
        for name, values in some[0].items():
            assert all_of[0][name][:WALKS].tolist() == values.tolist(), name
        assert all_of[4]["total_seconds"][:WALKS].tolist() == some[4]["total_seconds"].tolist()


def test_what_is_returned_may_be_changed():
    env = make(TABULAR_IDS[0], observe="full")
    first = env.reset(seed=0)
    for values in [*first[0].values(), *(v for v in first[1].values() if v.dtype != object)]:
        values[:] = 0
    again, other = env.step(np.zeros(WALKS, dtype=int)), make(TABULAR_IDS[0], observe="full")
    other.reset(seed=0)
    assert plain(list(again)) == plain(list(other.step(np.zeros(WALKS, dtype=int))))


def test_gymnasiums_wrappers_take_it():
    env = RecordEpisodeStatistics(FlattenObservation(make(TABULAR_IDS[0], observe="full", horizon=2)))
    observation, _ = env.reset(seed=0)
    assert observation in env.observation_space
    for _ in range(2):
        *_, infos = env.step(env.action_space.sample())
    assert infos["episode"]["l"].tolist() == [2] * WALKS


def test_a_reward_function_that_fails_moves_nothing():
    def reward(accuracy, baseline, previous):
        return baseline / 0 if accuracy != previous else 0.0

    env = make(TABULAR_IDS[0], reward=reward)
    first, _ = env.reset(seed=0)
    with pytest.raises(SpecError, match=r"reward .* failed for accuracy=.*ZeroDivisionError"):
        env.step(np.arange(WALKS) % 4)
    assert (env._observations() == first).all()


@pytest.mark.parametrize(
    ("actions", "message"),
    [
        ([0] * 4, r"actions has shape \(4,\); give one for each of 5 environments"),
        ([0, 1, 2, 3, 4], "an action is 4; choose 0 to 3"),
        ([0, 1, 2, 3, -1], "an action is -1; choose 0 to 3"),
        ([0.0] * 5, "actions has the type float64 but must be whole numbers"),
    ],
)
def test_wrong_actions_are_named(actions, message):
    env = make(TABULAR_IDS[0])
    with pytest.raises(SpecError, match="step was called before reset; call reset first"):
        env.step(np.zeros(5, dtype=int))
    first, _ = env.reset()
    with pytest.raises(SpecError, match=message):
        env.step(np.array(actions))
    assert (env._observations() == first).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"seed": [1, 2]}, "seed has 2 numbers for 5 environments; give one for each"),
        ({"seed": -1}, "seed is -1; it must be at least 0"),
        ({"seed": "12"}, "seed is '12' but must be a whole number"),
        ({"options": {"stat": 1}}, r"options has an unknown key 'stat' \(did you mean 'state'\?\)"),
        ({"options": 3}, "options is 3, of type int, but must be a dict"),
        ({"options": {"state": [0, 1]}}, r"options\['state'\] is \[0, 1\]; give 4 values of 0 or 1"),
        ({"options": {"forget": 1}}, r"options\['forget'\] is 1, of type int, but must be True or False"),
        ({"options": {"reset_mask": [True]}}, r"options\['reset_mask'\] is \[True\].* give an array of 5 booleans"),
        ({"options": {"reset_mask": np.zeros(5, dtype=bool)}}, "is False everywhere; name at least 1 environment"),
        ({"options": {"reset_mask": np.arange(5) > 2}}, "names only some environments, but none has an episode"),
    ],
)
def test_a_wrong_reset_is_named(arguments, message):
    with pytest.raises(SpecError, match=message):
        make(TABULAR_IDS[0]).reset(**arguments)


def test_wrong_arguments_are_named():
    for arguments, message in [
        ({"walks": 0}, "num_envs is 0; it must be at least 1"),
        ({"autoreset_mode": "nextstep"}, r"unknown autoreset_mode 'nextstep' \(did you mean 'NextStep'\?\)"),
        ({"max_episode_steps": 0}, "max_episode_steps is 0; it must be at least 1"),
        ({"alphabet": "quarter"}, "has no argument 'alphabet'"),
    ]:
        with pytest.raises(SpecError, match=message):
            make(TABULAR_IDS[0], **arguments)
    with pytest.raises(SpecError, match="has no pictures; make a single environment"):
        make(TABULAR_IDS[0]).render()


def test_a_class_that_is_not_in_the_table_is_named_and_nothing_moves():
    keys = tuple(c.key for c in DENSE_TABLE.definition.classes)
    env = make(TABULAR_IDS[0], table=drawn_table(class_keys=keys[:1]))
    first, _ = env.reset()
    with pytest.raises(TableError, match="table drawn has no entry for state 1"):
        env.step(np.zeros(WALKS, dtype=int))
    assert (env._observations() == first).all()
    with pytest.raises(TableError, match="table drawn has no entry for state 2"):
        env.reset(options={"state": [0, 1, 0, 0]})
