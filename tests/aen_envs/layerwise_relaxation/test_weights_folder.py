"""Where an environment keeps weights, and for how long."""

import copy
import os
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers.relaxation_child import CHILD

from aen_envs import LayerwiseRelaxationEnv
from aen_envs.scratch_evaluator import ScratchEvaluator


@pytest.mark.parametrize("duplicate", [lambda env: pickle.loads(pickle.dumps(env)), copy.deepcopy])  # noqa: S301 - ours
def test_a_copy_has_weights_of_its_own(duplicate):
    env = LayerwiseRelaxationEnv(child=CHILD, slices=5)
    env.reset()
    env.step(env.action_of(8, "C4"))
    other = duplicate(env)
    folder, its = env.evaluator.weights_folder, other.evaluator.weights_folder
    assert folder != its
    assert len(list(folder.iterdir())) == 2
    assert len(list(its.iterdir())) == 1
    first = env.step(env.action_of(8, "C2"))
    env.close()
    assert not folder.exists()
    second = other.step(other.action_of(8, "C2"))
    assert first[0].tolist() == second[0].tolist()
    assert other.reset()[1]["accuracy"] == first[4]["baseline_accuracy"]
    assert not other.step(other.train_action)[4]["illegal"], "the start's weights are there again"
    other.close()
    assert not its.exists()


def test_a_forgotten_environment_leaves_no_weights():
    env = LayerwiseRelaxationEnv(child=CHILD)
    folder = env.evaluator.weights_folder
    assert folder.is_dir()
    del env
    assert not folder.exists()


def test_an_environment_that_was_never_reset_can_be_copied():
    env = copy.deepcopy(LayerwiseRelaxationEnv(child=CHILD))
    env.reset()
    env.step(env.train_action)
    env.close()


def test_the_twin_has_no_folder():
    env = LayerwiseRelaxationEnv(child=CHILD, inherit=False)
    assert env.evaluator.weights_folder is None
    assert copy.deepcopy(env).evaluator.weights_folder is None
    env.close()


def test_an_evaluator_that_was_handed_in_stays_open_with_its_weights(make_env, make_real, tmp_path):
    env = make_env()
    env.close()
    assert not env.evaluator.closed
    real = make_real()
    real.reset()
    real.close()
    assert len(list(tmp_path.iterdir())) == 1


def walk(env, episodes=2):
    """Return what an environment gives on random legal actions."""
    random, found = np.random.default_rng(0), []
    for _ in range(episodes):
        info = env.reset()[1]
        for _ in range(4):
            mask = info["action_mask"]
            mask[env.stop_action] = 0
            observation, reward, _, truncated, info = env.step(int(random.choice(np.flatnonzero(mask))))
            found.append((observation.tolist(), reward, info["parameters"], info["looked_up"]))
    assert truncated
    return found


def test_weights_are_dropped_and_trained_again_with_the_same_numbers():
    expected = walk(LayerwiseRelaxationEnv(child=CHILD, slices=4))
    env = LayerwiseRelaxationEnv(child=CHILD, slices=4)
    env.evaluator.max_bytes = 0
    folder = env.evaluator.weights_folder
    assert walk(env) == expected
    assert len(list(folder.iterdir())) == 2, "the last child and its parent"
    trained = env.evaluator.trained
    assert walk(env, episodes=1) == [(*rest, True) for *rest, _ in expected[:4]]
    assert env.evaluator.trained == trained, "known results do not need weights"
    env.reset()
    assert env.step(env.action_of(8, "C2"))[4]["status"] == "ok"
    env.close()


def test_a_snapshot_whose_weights_were_dropped_is_resumed():
    env = LayerwiseRelaxationEnv(child=CHILD, slices=6)
    env.reset()
    env.step(env.action_of(8, "C4"))
    env.step(env.train_action)
    snapshot = env.snapshot()
    expected = env.step(env.action_of(8, "C2"))
    env = LayerwiseRelaxationEnv(child=CHILD, slices=6)
    env.evaluator.max_bytes = 0
    env.reset()
    env.step(env.action_of(8, "C4"))
    env.step(env.train_action)
    for _ in range(3):
        env.reset()
        env.step(env.action_of(8, "D2"))
    assert not (env.evaluator.weights_folder / f"{snapshot['evaluation']['key']}.safetensors").exists()
    env.restore(snapshot)
    resumed = env.step(env.action_of(8, "C2"))
    assert (resumed[0].tolist(), resumed[1]) == (expected[0].tolist(), expected[1])


def test_the_weights_used_last_are_kept():
    evaluator = ScratchEvaluator()
    chain = [CHILD]
    for _ in range(3):
        evaluator.submit([chain[-1]], keep_weights=True)
        chain.append(replace(CHILD, parent=chain[-1].key))
    size = max(path.stat().st_size for path in evaluator.weights_folder.iterdir())
    evaluator.max_bytes = 3 * size + 100  # headers differ by a few bytes
    evaluator.submit([chain[3]], keep_weights=True)
    assert {path.stem for path in evaluator.weights_folder.iterdir()} == {spec.key for spec in chain[1:]}
    evaluator.submit([replace(chain[1], seed=1, parent=chain[0].key)], keep_weights=True)
    assert chain[0].key in {path.stem for path in evaluator.weights_folder.iterdir()}, "trained again for its child"
    evaluator.close()


@pytest.mark.slow
def test_worker_processes_leave_no_weights(tmp_path):
    program = f"""
import sys, gymnasium, aen_envs
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
from helpers.relaxation_child import CHILD
make = lambda: gymnasium.make("aen/LayerwiseRelaxation-v0", child=CHILD, slices=2)
envs = gymnasium.vector.AsyncVectorEnv([make, make])
envs.reset()
envs.step([0, 1])
import pathlib
assert len(list(pathlib.Path({str(tmp_path)!r}).glob("aen-weights-*"))) >= 2
"""
    for end in ("envs.close()", "envs.close(terminate=True)", "", "raise SystemExit(1)"):
        subprocess.run(
            [sys.executable, "-c", program + end], env=os.environ | {"TMPDIR": str(tmp_path)}, check="1" not in end
        )
        assert not list(tmp_path.glob("aen-*")), end
