"""Every argument of every environment: wrong values are named when the environment is made, right ones work."""

import inspect
import json
from importlib import import_module

import gymnasium
import numpy as np
import pytest
from helpers.table_evaluators import EQUINAS, GCNN, LateTable

from aen.children import DenseSpec, EquiNASSpec, GCNNSpec
from aen.errors import AenError, SpecError
from aen.evaluators import LocalEvaluator
from aen.spaces import GCNNSpace
from aen_envs import ENVIRONMENT_IDS, GroupDecompositionEnv, SpaceEnv

SMALL = {
    "aen/GroupDecomposition-v0": {"child": DenseSpec(grids=(4, 4))},
    "aen/GCNNDesign-v0": {"space": GCNNSpace(GCNN)},
    "aen/LayerwiseGroup-v0": {"child": DenseSpec(grids=(4, 4, 4)), "alphabet": ["rot90", "hflip"]},
    "aen/LayerwiseRelaxation-v0": {"child": EQUINAS},
}
each = pytest.mark.parametrize("environment_id", ENVIRONMENT_IDS)


class NoWeights:
    """An evaluator without the argument `keep_weights`."""

    def submit(self, specs):
        return specs


# Which values are wrong for an argument of this name, whatever the environment, and what the message says.
FLAGS = ["yes", 1, 0, None, 2.5, [], np.array([True, False])]
COUNTS = [0, -1, 2.5, 3.0, True, "3", None, [3], np.array([3]), np.float64(3), np.nan]
WRONG = {
    "evaluator": [NoWeights(), "local", 0, False, "", LocalEvaluator, {"kind": "local"}, [LateTable]],
    "horizon": COUNTS,
    "slices": COUNTS,
    "reward": ["papr", "", 1, None, ["paper"], lambda accuracy: accuracy, float],
    "reference": ["rot9", 90, None, ["rot90"]],
    "stop_action": FLAGS,
    "inherit": FLAGS,
    "observe_symmetry_test": FLAGS,
    "child_seed": [-1, 2.5, "a", None, True, 2**63, [1]],
    "render_mode": ["rgb", "human", 5, ["ansi"], True],
    "observation": ["bx", None, 1, gymnasium.spaces.Box(0, 1)],
    "observe": ["ful", None, 1, True],
    "parameter_price": [-1, np.nan, np.inf, "1", None, True, [0.1], 1j],
    "alphabet": ["quater", 5, None, [], [1], [None], ["rot9"], ["hflip", "hflip"], {"hflip": True}, b"hflip"],
    "groups": ["D4", 5, [4], ["D4"], ["C1"], [], ["D4", "D4", "C1"], ["D4", "C3", "C1"], {"D4": 1}],
    "child": ["dense", 5, [], {"grid": [4, 4]}, {"kind": "toy"}, {"training": {"epoch": 1}}, {"data": 5}, False],
    "data": [
        5,
        "digitz",
        ["digits"],
        {"nam": "digits"},
        {"name": "digits", "train": -1},
        True,
        "nowhere/images",
        b"mnist",
    ],
    "space": ["published", 5, [], {}, {"child": 5}, {"child": {"side": 8}, "group": "C4"}, False, GCNN],
    "actions": ["all of them", 5, None],
}
# A child of another kind.
OTHER_CHILD = {DenseSpec: GCNN, EquiNASSpec: DenseSpec(), GCNNSpec: EQUINAS}


def make(environment_id, **arguments):
    arguments = {"evaluator": LateTable()} | SMALL[environment_id] | arguments
    return gymnasium.make(f"aen_envs:{environment_id}", disable_env_checker=True, **arguments)


def class_of(environment_id):
    module, _, name = gymnasium.spec(environment_id).entry_point.partition(":")
    return getattr(import_module(module), name)


def arguments_of(environment_id):
    return list(inspect.signature(class_of(environment_id)).parameters)


@each
def test_every_argument_is_in_the_table(environment_id):
    assert set(arguments_of(environment_id)) <= set(WRONG)


@pytest.mark.parametrize(
    ("environment_id", "name", "value"),
    [
        pytest.param(environment_id, name, value, id=f"{environment_id}-{name}-{number}")
        for environment_id in ENVIRONMENT_IDS
        for name in arguments_of(environment_id)
        for number, value in enumerate(WRONG[name])
    ],
)
@pytest.mark.filterwarnings("ignore:.*render.mode:UserWarning")
def test_a_wrong_value_is_named_when_the_environment_is_made(environment_id, name, value):
    with pytest.raises(
        AenError, match=rf"\b({name}|factors?|child|generator|group|kind|data|training|side)\b"
    ) as caught:
        class_of(environment_id)(**({"evaluator": LateTable()} | SMALL[environment_id] | {name: value}))
    assert "\n" not in str(caught.value)


@each
def test_a_child_of_another_kind_is_named(environment_id):
    wrong = {"space": GCNN} if "space" in SMALL[environment_id] else {"child": GCNN}
    with pytest.raises(SpecError, match=r"is (a )?GCNNSpec"):
        make(environment_id, **wrong)
    if "child" in wrong:
        with pytest.raises(SpecError, match=r"kind is 'gcnn', but a .*Spec is expected"):
            make(environment_id, child=GCNN.to_json())


@each
@pytest.mark.parametrize(("name", "near"), [("horzon", "horizon"), ("rewrd", None), ("max_episodes", None)])
def test_an_argument_that_does_not_exist_is_named(environment_id, name, near):
    with pytest.raises(SpecError, match=f"{name} is 3, of type int, but .*Env has no argument {name!r}.*{near or ''}"):
        make(environment_id, **{name: 3})
    with pytest.raises(SpecError, match=f"has no argument {name!r}"):
        gymnasium.make_vec(f"aen_envs:{environment_id}", **{name: 3})


@each
def test_numbers_of_numpy_and_json_are_accepted(environment_id):
    wanted = {
        "horizon": np.int64(3),
        "slices": np.array(2),
        "child_seed": np.uint8(5),
        "stop_action": np.True_,
        "inherit": np.False_,
        "parameter_price": np.float32(0.5),
    }
    env = make(environment_id, **{name: wanted[name] for name in wanted if name in arguments_of(environment_id)})
    env.reset(seed=np.int64(3))
    assert env.unwrapped.np_random_seed == 3
    base = env.unwrapped
    assert (type(base.horizon), base.horizon) == (int, 3)
    assert base.space.child.seed == 5
    json.dumps(base.snapshot())


@each
@pytest.mark.parametrize("seed", [-1, 1.5, "1", True, [1]])
def test_a_wrong_seed_is_named(environment_id, seed):
    env = make(environment_id)
    with pytest.raises(SpecError, match=r"seed is .*must be"):
        env.reset(seed=seed)
    with pytest.raises(SpecError, match="step was called before reset"):
        env.unwrapped.step(0)


@each
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"stat": [0]}, r"options has an unknown key 'stat' \(did you mean 'state'\?\)"),
        ({"state": [0] * 99, "seed": 1}, "options has an unknown key 'seed'"),
        ({1: 2}, "options has an unknown key 1"),
        ("state", "options is 'state' but must be a dict"),
        ([("state", [0])], "options is .*list, but must be a dict"),
    ],
)
def test_wrong_options_are_named(environment_id, options, message):
    env = make(environment_id)
    with pytest.raises(SpecError, match=message):
        env.reset(options=options)
    env.reset(options={})


@each
@pytest.mark.parametrize(
    "action", [1.0, "1", None, [1], np.array([1]), np.array(1.0), np.float32(1), -1, 10**6, 10**30]
)
def test_a_wrong_action_is_named_and_changes_nothing(environment_id, action):
    env = make(environment_id).unwrapped
    env.reset(seed=1)
    before = env.snapshot()
    with pytest.raises(SpecError, match=r"action is .*; choose 0 to \d+\."):
        env.step(action)
    assert env.snapshot() == before


@each
@pytest.mark.parametrize(
    "form", [int, np.int64, np.int32, np.uint8, np.uint64, np.array], ids=lambda form: form.__name__
)
def test_actions_of_agents_are_accepted(environment_id, form):
    env, twin = make(environment_id), make(environment_id)
    env.reset(seed=1)
    twin.reset(seed=1)
    assert env.step(form(2))[0].tolist() == twin.step(2)[0].tolist()


@each
def test_rendering_without_a_mode_warns_as_gymnasiums_own_environments_do(environment_id):
    env = make(environment_id)
    env.reset()
    with pytest.warns(UserWarning, match="render was called without a render mode"):
        assert env.render() is None


def test_rllib_gives_all_arguments_in_one_dictionary():
    env = GroupDecompositionEnv({"child": {"grids": [4, 4]}, "horizon": 3, "alphabet": ["rot90"]})
    assert (env.child, env.horizon, env.alphabet.names) == (DenseSpec(grids=(4, 4)), 3, ("rot90",))
    with pytest.raises(SpecError, match="has no argument 'horzon'"):
        GroupDecompositionEnv({"horzon": 3})


def test_a_space_is_the_only_positional_argument():
    env = SpaceEnv({"kind": "DecompositionSpace", "child": {"grids": [4, 4]}, "alphabet": ["rot90"]})
    assert env.sizes == (2,)
    with pytest.raises(SpecError, match="space is 5, of type int, but must be a Space"):
        SpaceEnv(5)
