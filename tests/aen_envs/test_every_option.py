"""What must hold for every registered environment with every option, over results that are looked up."""

import copy
import pickle

import gymnasium
import numpy as np
import pytest
from gymnasium import wrappers
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode
from helpers.table_evaluators import EQUINAS, LateTable, draw_action, plain
from helpers.tables import DENSE_SPACE, GCNN_SPACE, TABULAR
from stable_baselines3.common.env_checker import check_env as check_env_of_sb3

from aen.children import DenseSpec
from aen_envs import ENVIRONMENT_IDS, TABULAR_IDS

DENSE = {"child": DENSE_SPACE.child, "alphabet": DENSE_SPACE.alphabet}
LAYERS = DenseSpec(data=DENSE_SPACE.child.data, grids=(8, 4, 4), head="free")
ARGUMENTS = {
    "aen/GroupDecomposition-v0": DENSE,
    "aen/GCNNDesign-v0": {"space": GCNN_SPACE},
    "aen/LayerwiseGroup-v0": {"child": LAYERS, "alphabet": ["rot90", "hflip"]},
    "aen/LayerwiseRelaxation-v0": {"child": EQUINAS, "groups": ["D4", "C4", "C1"], "slices": 3},
} | TABULAR
OF_ALL = {"bare": {}, "box": {"observation": "box"}, "seed": {"child_seed": 5}}
OF_SPACES = OF_ALL | {
    "stop": {"stop_action": True},
    "paper": {"reward": "paper"},
    "improvement": {"reward": "improvement"},
    "accuracy": {"reward": "accuracy"},
}
FULL = {"full": {"observe": "full"}, "full, box": {"observe": "full", "observation": "box"}}
TESTED = {"test": {"observe_symmetry_test": True}, "test, box": {"observe_symmetry_test": True, "observation": "box"}}
OF_TABLES = OF_SPACES | FULL | {"mean": {"noise": "mean"}, "epoch": {"epoch": 1}}
OPTIONS = {
    "aen/GroupDecomposition-v0": OF_SPACES | FULL | TESTED,
    "aen/GCNNDesign-v0": OF_SPACES | FULL | {"rot90": {"reference": "rot90"}},
    "aen/LayerwiseGroup-v0": OF_SPACES | TESTED,
    "aen/LayerwiseRelaxation-v0": OF_ALL
    | {"legal": {"actions": "legal"}, "scratch": {"inherit": False}, "price": {"parameter_price": 0.5}},
    "aen/GroupDecompositionTabular-v0": OF_TABLES,
    "aen/GCNNDesignTabular-v0": OF_TABLES | {"rot90": {"reference": "rot90"}},
}
CASES = {f"{name[4:-3]}, {option}": (name, OPTIONS[name][option]) for name in OPTIONS for option in OPTIONS[name]}
each = pytest.mark.parametrize(("environment_id", "option"), CASES.values(), ids=CASES)
# SB3 recommends flat arrays; its policies flatten a table of rows themselves.
pytestmark = pytest.mark.filterwarnings("ignore:.*has an unconventional shape")


def arguments(environment_id, option):
    evaluator = {} if environment_id in TABULAR_IDS else {"evaluator": LateTable()}
    return {"horizon": 4} | ARGUMENTS[environment_id] | evaluator | option


def make(environment_id, option, **others):
    return gymnasium.make(f"aen_envs:{environment_id}", **arguments(environment_id, option), **others)


def walk(env, number, seed=1):
    """The outcomes of a random walk over some episodes."""
    random = np.random.default_rng(seed)
    found = [env.reset(seed=seed)]
    for _ in range(number):
        found.append(env.step(draw_action(env.unwrapped, random)))
        if found[-1][2] or found[-1][3]:
            found.append(env.reset())
    return plain(found)


def test_every_registered_environment_is_here():
    registered = {name for name in gymnasium.registry if name.startswith("aen/")}
    assert registered == set(OPTIONS) == {*ENVIRONMENT_IDS, *TABULAR_IDS}


@each
def test_the_checkers_have_no_complaint(environment_id, option):
    check_env(make(environment_id, option).unwrapped, skip_render_check=True)
    check_env_of_sb3(make(environment_id, option), skip_render_check=True)


@each
def test_two_made_alike_agree_and_so_do_copies(environment_id, option):
    env = make(environment_id, option)
    walk(env, 3)
    copies = [copy.deepcopy(env), pickle.loads(pickle.dumps(env))]  # noqa: S301 - our own
    assert walk(env, 9) == walk(make(environment_id, option), 9) == walk(copies[0], 9) == walk(copies[1], 9)
    assert walk(env, 9, seed=2) != walk(env, 9, seed=3)


@each
@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP], ids=lambda mode: mode.value)
def test_the_vector_modes_agree(environment_id, option, mode):
    given = arguments(environment_id, option)
    ours = gymnasium.make_vec(environment_id, num_envs=3, autoreset_mode=mode, **given)
    theirs = gymnasium.make_vec(
        environment_id, num_envs=3, vectorization_mode="sync", vector_kwargs={"autoreset_mode": mode}, **given
    )
    assert ours.metadata["autoreset_mode"] is theirs.metadata["autoreset_mode"] is mode
    assert plain(list(ours.reset(seed=4))) == plain(list(theirs.reset(seed=4)))
    random = np.random.default_rng(0)
    ended = 0
    for _ in range(7):
        actions = random.integers(ours.single_action_space.n, size=3)
        found, expected = ours.step(actions), theirs.step(actions)
        assert plain(list(found)) == plain(list(expected))
        assert found[0] in ours.observation_space
        ended += int((found[2] | found[3]).sum())
    assert ended


def first_steps(env, number):
    """The outcomes of the first steps, none of which stops."""
    env.reset(seed=0)
    found = []
    for _ in range(number):
        legal = np.flatnonzero(env.unwrapped.action_masks()[:-1])
        found.append(env.step(int(legal[-1])))
    return found


@each
def test_the_usual_wrappers_take_it(environment_id, option):
    limited = wrappers.RecordEpisodeStatistics(wrappers.TimeLimit(make(environment_id, option), 2))
    *_, truncated, info = first_steps(limited, 2)[1]
    assert truncated, "by the limit"
    assert info["episode"]["l"] == 2
    flat = wrappers.FlattenObservation(make(environment_id, option))
    assert first_steps(flat, 2)[1][0] in flat.observation_space
    doubled = wrappers.TransformReward(make(environment_id, option), lambda reward: 2 * reward)
    rewards, plainly = first_steps(doubled, 3), first_steps(make(environment_id, option), 3)
    assert [outcome[1] for outcome in rewards] == [2 * outcome[1] for outcome in plainly]
    again = wrappers.Autoreset(limited)
    first_steps(again, 2)
    assert again.step(0)[4]["accuracy"] == flat.reset()[1]["accuracy"], "the next step starts the next episode"
