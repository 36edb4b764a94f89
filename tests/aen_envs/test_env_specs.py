"""What Gymnasium keeps of how an environment was made, and copies of environments."""

import copy
import inspect
import json
import pickle
import threading
from concurrent.futures import Future
from importlib import import_module
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec
from helpers.table_evaluators import EQUINAS, GCNN, LateTable, plain

from aen.children import DenseSpec
from aen.data import DataSpec
from aen.errors import SpecError
from aen.evaluators import LocalEvaluator
from aen.groups import Alphabet, Decomposition, Generator
from aen.spaces import GCNNSpace
from aen_envs import ENVIRONMENT_IDS

each = pytest.mark.parametrize("environment_id", ENVIRONMENT_IDS)
DENSE = DenseSpec(
    data=DataSpec(Path("mine.npz"), train=5), grids=(4, 4, 4), head="free", decomposition=Decomposition.of("rot90")
)
MINE = Generator.from_permutations("mine", [np.roll(range(16), 4)])
ALPHABET = Alphabet.of(["rot90", "mine", "hflip x vflip"], {"mine": MINE})
COMMON = {"horizon": 7, "child_seed": 4, "observation": "box", "render_mode": "ansi"}
OVER_SPACES = COMMON | {"reward": "accuracy", "stop_action": True}
# Every argument but the evaluator, with another value than its default.
EVERYTHING = {
    "aen/GroupDecomposition-v0": OVER_SPACES | {"child": DENSE, "alphabet": ALPHABET},
    "aen/GCNNDesign-v0": OVER_SPACES
    | {"space": GCNNSpace(GCNN, groups=["C1", "D4"], size_factors=[1, 2], stage_widths=(1, 2)), "reference": "rot90"},
    "aen/LayerwiseGroup-v0": OVER_SPACES | {"child": DENSE, "alphabet": ALPHABET},
    "aen/LayerwiseRelaxation-v0": COMMON
    | {"child": EQUINAS, "groups": ("D4", "C4", "C1"), "inherit": False, "slices": 3, "parameter_price": 0.5},
}
SMALL = {
    "aen/GroupDecomposition-v0": {"child": DenseSpec(grids=(4, 4))},
    "aen/GCNNDesign-v0": {"space": GCNNSpace(GCNN)},
    "aen/LayerwiseGroup-v0": {"child": DenseSpec(grids=(4, 4, 4))},
    "aen/LayerwiseRelaxation-v0": {"child": EQUINAS},
}


class Locked(LateTable):
    """An evaluator that cannot be pickled, nor copied."""

    def __init__(self):
        super().__init__()
        self.lock, self.future = threading.RLock(), Future()


class Foreign:
    """An evaluator of other people's, which knows nothing of copies."""

    def __init__(self):
        self.lock, self.table = threading.RLock(), LateTable()

    def submit(self, specs, *, keep_weights=False):
        return self.table.submit(specs, keep_weights=keep_weights)

    def __deepcopy__(self, memo):
        raise AssertionError("it was copied")


def make(environment_id, **arguments):
    return gymnasium.make(f"aen_envs:{environment_id}", **arguments)


def identity(env):
    """What two environments that were made alike have in common."""
    base = env.unwrapped
    spaces = (str(env.observation_space), str(env.action_space))
    return base._identity(), spaces, base.action_names, base.render_mode, base.space.child, str(env), base.metadata


def run(env, steps=4):
    env.action_space.seed(1)
    return plain([env.reset(seed=1), *(env.step(env.action_space.sample()) for _ in range(steps))])


@each
def test_everything_is_given_here(environment_id):
    module, _, name = gymnasium.spec(environment_id).entry_point.partition(":")
    known = set(inspect.signature(getattr(import_module(module), name)).parameters)
    # These load the images, of which mine.npz has none: test_observe_symmetry_test.py, test_full_observation.py,
    # test_own_data.py
    loading = {"observe_symmetry_test", "observe", "data"}
    assert known - {*EVERYTHING[environment_id], "evaluator", "actions", *loading} == set()


@each
@pytest.mark.parametrize("arguments", [{}, EVERYTHING], ids=["bare", "everything"])
def test_a_spec_makes_an_equal_environment(environment_id, arguments):
    env = make(environment_id, max_episode_steps=5, **arguments.get(environment_id, {}))
    text = env.spec.to_json()
    ways = {
        "json": EnvSpec.from_json(text).make(),
        "spec": gymnasium.make(env.spec),
        "pickle": gymnasium.make(pickle.loads(pickle.dumps(env.spec))),  # noqa: S301 - our own
        "copy": copy.deepcopy(env.spec).make(),
        "keywords": make(environment_id, max_episode_steps=5, **json.loads(text)["kwargs"]),
    }
    for way, other in ways.items():
        assert identity(other) == identity(env), way
        assert json.loads(other.spec.to_json()) == json.loads(text), way
    several = gymnasium.make_vec(EnvSpec.from_json(text), num_envs=2)
    assert (several.num_envs, several.envs[0]._max_episode_steps) == (2, 5)
    assert identity(several.envs[1])[0] == identity(env)[0]
    again = gymnasium.make_vec(EnvSpec.from_json(several.spec.to_json()))
    assert identity(again.envs[1])[0] == identity(env)[0]


@each
def test_a_spec_that_json_cannot_hold_says_how_to_go_on(environment_id):
    env = make(environment_id, evaluator=LateTable(), **SMALL[environment_id])
    with pytest.raises(SpecError, match=r"evaluator is .* has no JSON form; .*\.make\(evaluator=\.\.\.\)"):
        env.spec.to_json()
    evaluator = env.spec.kwargs.pop("evaluator")
    assert run(EnvSpec.from_json(env.spec.to_json()).make(evaluator=evaluator)) == run(env)


@each
@pytest.mark.parametrize("evaluator", [Locked, Foreign])
def test_copies_share_the_evaluator(environment_id, evaluator):
    held = evaluator()
    env = make(environment_id, evaluator=held, max_episode_steps=9, **SMALL[environment_id])
    run(env, 2)
    copied = copy.deepcopy(env)
    assert copied.unwrapped.evaluator is held
    for action in (1, 0):
        assert plain(env.step(action)) == plain(copied.step(action))
    env.step(2)
    assert env.unwrapped.snapshot() != copied.unwrapped.snapshot(), "each has an episode of its own"
    shallow = copy.copy(copied.unwrapped)
    shallow.step(2)
    assert shallow.snapshot() != copied.unwrapped.snapshot()
    assert env.spec.kwargs["evaluator"] is held
    assert copy.deepcopy(env.spec).kwargs["evaluator"] is held
    assert gymnasium.make(env.spec).unwrapped.evaluator is held
    several = gymnasium.make_vec(f"aen_envs:{environment_id}", num_envs=2, evaluator=held, **SMALL[environment_id])
    assert gymnasium.make_vec(several.spec).evaluator is held
    assert gymnasium.make_vec(env.spec, num_envs=2).evaluator is held


@pytest.mark.parametrize("evaluator", [Locked, Foreign])
def test_where_it_cannot_be_pickled_the_message_has_a_remedy(evaluator):
    env = make(ENVIRONMENT_IDS[0], evaluator=evaluator(), child=DenseSpec(grids=(4, 4)))
    message = f"evaluator is a {evaluator.__name__}, which cannot be sent to another process: .*RLock.*; step the env"
    with pytest.raises(SpecError, match=message):
        pickle.dumps(env)


@pytest.mark.parametrize("context", ["spawn", "fork"])
@pytest.mark.slow
def test_other_processes_get_what_can_be_pickled(context):
    arguments = {"child": DenseSpec(grids=(4, 4)), "horizon": 3, "evaluator": LateTable()}
    same = {"num_envs": 2, "max_episode_steps": 2} | arguments
    ours = gymnasium.make_vec("aen_envs:aen/GroupDecomposition-v0", **same)
    theirs = gymnasium.make_vec(
        "aen_envs:aen/GroupDecomposition-v0",
        vectorization_mode="async",
        vector_kwargs={"context": context},
        **same,
    )
    assert run(ours) == run(theirs)
    theirs.close()
    if context == "spawn":
        with pytest.raises(SpecError, match="evaluator is a Locked, which cannot be sent to another process"):
            gymnasium.make_vec(
                "aen_envs:aen/GroupDecomposition-v0",
                vectorization_mode="async",
                vector_kwargs={"context": context},
                **(same | {"evaluator": Locked()}),
            )


def test_copies_of_an_environment_with_weights_of_its_own_do_not_touch_each_other():
    env = make("aen/LayerwiseRelaxation-v0", **SMALL["aen/LayerwiseRelaxation-v0"])
    _, _ = env.reset(seed=1)
    copied = copy.deepcopy(env)
    shallow = copy.copy(env.unwrapped)
    folders = {each.unwrapped.evaluator.weights_folder for each in (env, copied, shallow)}
    assert len(folders) == 3
    train = env.unwrapped.train_action
    expected = env.step(train)
    env.close()
    for other in (copied, shallow):
        outcome = other.step(train)
        assert outcome[0].tolist() == expected[0].tolist()
        other.close()
    assert not any(folder.exists() for folder in folders)


def test_copies_share_what_their_common_evaluator_has_trained():
    env = make(ENVIRONMENT_IDS[0], alphabet=["rot90", "hflip"])
    env.reset()
    copied = copy.deepcopy(env)
    env.step(0)
    trained = env.unwrapped.evaluator.trained
    copied.step(0)
    assert copied.unwrapped.evaluator.trained == trained == 2
    env.close()
    copied.step(1)


def test_registered_arguments_are_copied_with_their_evaluator():
    held = Locked()
    name = "aen_tests/Registered-v0"
    arguments = {"child": DenseSpec(grids=(4, 4)), "evaluator": held}
    gymnasium.register(name, "aen_envs:GroupDecompositionEnv", max_episode_steps=2, kwargs=arguments)
    try:
        assert gymnasium.make(name).unwrapped.evaluator is held
        assert gymnasium.make(name).spec.max_episode_steps == 2
        assert gymnasium.make_vec(name, num_envs=2).envs[1].unwrapped.evaluator is held
        assert copy.deepcopy(gymnasium.spec(name)).kwargs["evaluator"] is held
    finally:
        del gymnasium.registry[name]


def test_a_local_evaluator_is_rebuilt_where_it_is_unpickled(tmp_path):
    evaluator = LocalEvaluator(weights_folder=str(tmp_path))
    env = make("aen/LayerwiseRelaxation-v0", evaluator=evaluator, **SMALL["aen/LayerwiseRelaxation-v0"])
    env.reset()
    found = pickle.loads(pickle.dumps(env))  # noqa: S301 - our own
    assert found.unwrapped.evaluator is not evaluator
    assert found.unwrapped.evaluator.weights_folder == tmp_path
