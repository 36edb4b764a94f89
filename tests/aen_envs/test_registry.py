"""What must hold for every environment that is registered, with an evaluator of its own."""

import pickle
import subprocess
import sys
import time
from dataclasses import replace

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from stable_baselines3.common.env_checker import check_env as check_env_of_sb3

from aen.spaces import GCNNSpace
from aen_envs import ENVIRONMENT_IDS, gcnn_design, group_decomposition, layerwise_group, layerwise_relaxation

each = pytest.mark.parametrize("environment_id", ENVIRONMENT_IDS)
# Which of a child's figures may differ between two runs.
UNSTEADY = {"seconds", "looked_up"}


def brief(child, **changes):
    """The child of a bare environment with fewer images to train on, for one epoch or less."""
    training = replace(child.training, epochs=min(child.training.epochs, 1), batch_size=32)
    return replace(child, data=replace(child.data, train=64), training=training, **changes)


BRIEF = {
    "aen/GroupDecomposition-v0": {"child": brief(group_decomposition.quick_child())},
    "aen/GCNNDesign-v0": {"space": GCNNSpace(brief(gcnn_design.quick_space().child, width=2))},
    "aen/LayerwiseGroup-v0": {"child": brief(layerwise_group.quick_child())},
    "aen/LayerwiseRelaxation-v0": {"child": brief(layerwise_relaxation.quick_child())},
}


def make(environment_id, **arguments):
    return gymnasium.make(f"aen_envs:{environment_id}", **(BRIEF.get(environment_id, {}) | arguments))


def run(code):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def steady(info):
    return {name: np.asarray(value).tolist() for name, value in info.items() if name not in UNSTEADY}


def choose(info, number):
    """The action of a number, or where only some are legal one of those, but not the last, which stops."""
    if "action_mask" not in info:
        return number
    legal = np.flatnonzero(info["action_mask"])[:-1]
    return int(legal[number % len(legal)])


def test_gymnasium_finds_them_by_itself():
    code = (
        "import gymnasium, sys; assert not [m for m in sys.modules if m.startswith('aen')]\n"
        f"for name in {ENVIRONMENT_IDS}:\n"
        "    env = gymnasium.make(f'aen_envs:{name}'); print(env.spec.id, env.unwrapped.spec.id)"
    )
    assert run(code) == [name for name in ENVIRONMENT_IDS for _ in range(2)]


def test_they_have_their_bare_names_after_an_import_which_is_light():
    code = (
        "import gymnasium, aen_envs, sys;"
        f"print(*[gymnasium.spec(name).id for name in {ENVIRONMENT_IDS}]);"
        "print(*{'torch', 'sqlalchemy', 'matplotlib', 'stable_baselines3', 'sklearn'} & set(sys.modules))"
    )
    assert run(code) == list(ENVIRONMENT_IDS)


@each
def test_gymnasiums_checker_has_no_complaint(environment_id):
    env = make(environment_id)
    check_env(env.unwrapped)
    env.close()


@each
def test_stable_baselines_checker_has_no_complaint(environment_id):
    env = make(environment_id)
    check_env_of_sb3(env)
    env.close()


@each
def test_made_bare_it_is_quick(environment_id):
    env = gymnasium.make(f"aen_envs:{environment_id}")
    started = time.perf_counter()
    _, info = env.reset(seed=0)
    for number in range(2):
        *_, info = env.step(choose(info, number))
    assert time.perf_counter() - started < 10
    env.close()


@each
def test_two_of_them_agree(environment_id):
    ours, theirs = make(environment_id), make(environment_id)
    for env in (ours, theirs):
        env.action_space.seed(1)
    (observation, info), (observation2, info2) = ours.reset(seed=1), theirs.reset(seed=1)
    assert observation.tolist() == observation2.tolist()
    assert steady(info) == steady(info2)
    for _ in range(8):
        mask, mask2 = info.get("action_mask"), info2.get("action_mask")
        action, action2 = ours.action_space.sample(mask), theirs.action_space.sample(mask2)
        assert action == action2
        first, second = ours.step(action), theirs.step(action)
        info, info2 = first[4], second[4]
        assert first[0].tolist() == second[0].tolist()
        assert first[1:4] == second[1:4]
        assert steady(first[4]) == steady(second[4])


@each
def test_the_seed_of_a_reset_does_not_change_or_retrain_the_children(environment_id):
    env = make(environment_id)
    seen = []
    for seed in (0, 1, 12345, None):
        _, info = env.reset(seed=seed)
        *_, after = env.step(choose(info, 1))
        seen.append((steady(info), steady(after)))
    assert seen == seen[:1] * 4
    assert env.unwrapped.evaluator.trained == 2


@each
def test_it_can_be_pickled_in_the_middle_of_an_episode(environment_id):
    env = make(environment_id)
    _, info = env.reset(seed=0)
    *_, info = env.step(choose(info, 0))
    copy = pickle.loads(pickle.dumps(env))  # noqa: S301 - our own bytes
    for number in (1, 0):
        action = choose(info, number)
        first, second = env.step(action), copy.step(action)
        info = first[4]
        assert first[0].tolist() == second[0].tolist()
        assert first[1:4] == second[1:4]
        assert steady(first[4]) == steady(second[4])


@each
@pytest.mark.parametrize("mode", ["ansi", "rgb_array"])
def test_it_renders_through_gymnasium(environment_id, mode):
    env = make(environment_id, render_mode=mode)
    env.reset(seed=0)
    frame = env.render()
    assert isinstance(frame, str) == (mode == "ansi")
    env.close()
