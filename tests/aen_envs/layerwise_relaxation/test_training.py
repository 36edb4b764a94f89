"""Children go on from the weights of the state before, slice by slice."""

from dataclasses import replace

import numpy as np
import pytest
from helpers.relaxation_child import CHILD, FEW, TRAINING

from aen.training.weights import load_parent
from aen_envs import LayerwiseRelaxationEnv


def walk(env, source, steps=None):
    """Legal actions at random until the end; each one's outcome."""
    _, info = env.reset()
    found, ended = [], False
    while not ended and len(found) != steps:
        mask = info["action_mask"].copy()
        mask[env.unwrapped.stop_action] = 0
        outcome = env.step(source.choice(np.flatnonzero(mask)))
        info, ended = outcome[4], outcome[2] or outcome[3]
        found.append(outcome)
    return found


@pytest.mark.parametrize("groups", [None, pytest.param(FEW, marks=pytest.mark.slow)])
def test_children_go_on_from_the_weights_of_the_state_before(make_real, tmp_path, groups):
    env = make_real(groups=groups, slices=6)
    submitted = []
    submit = env.evaluator.submit
    env.evaluator.submit = lambda specs, **options: submitted.extend(specs) or submit(specs, **options)
    walk(env, np.random.default_rng(0))
    assert len(submitted) == env.evaluator.trained == 7
    assert [spec.parent for spec in submitted] == [None, *(spec.key for spec in submitted[:-1])]
    for number, spec in enumerate(submitted, start=1):
        child, progress = load_parent(spec.key, tmp_path)
        assert child.spec == spec
        assert progress.batches == 3 * number
        assert spec.training == TRAINING
    assert len({spec.class_key for spec in submitted}) > 3


def test_without_relaxing_both_ways_of_training_are_one(make_real):
    ours, theirs = make_real(), make_real(inherit=False)
    assert ours.reset()[0].tolist() == theirs.reset()[0].tolist()
    for _ in range(4):
        first, second = ours.step(ours.train_action), theirs.step(theirs.train_action)
        assert first[0].tolist() == second[0].tolist()
        assert first[1] == second[1]
        assert first[4]["epochs"] == second[4]["epochs"]


def test_the_twin_trains_every_state_from_nothing_for_as_many_batches(make_real, tmp_path):
    env = make_real(inherit=False, slices=4)
    outcomes = walk(env, np.random.default_rng(1))
    assert [o[4]["epochs"] for o in outcomes] == pytest.approx([0.6, 0.9, 1.2, 1.5])
    assert not list(tmp_path.iterdir())


def test_it_needs_no_training_to_walk_the_same_way_again(make_real):
    env = make_real(slices=3)
    first = walk(env, np.random.default_rng(2))
    second = walk(env, np.random.default_rng(2))
    assert env.evaluator.trained == 4
    for ours, theirs in zip(first, second, strict=True):
        assert ours[0].tolist() == theirs[0].tolist()
        assert ours[1:4] == theirs[1:4]
        assert (ours[4]["looked_up"], theirs[4]["looked_up"]) == (False, True)


def test_looked_up_is_forgotten_at_a_reset_with_a_seed(make_env):
    env = make_env()
    seen = [env.reset(seed=seed)[1]["looked_up"] for seed in (None, None, 1, None)]
    assert seen == [False, True, False, True]


def test_without_inheriting_each_state_has_all_slices_so_far(trainings):
    child = replace(CHILD, training=replace(TRAINING, epochs=0.17))
    env = LayerwiseRelaxationEnv(child=child, evaluator=trainings(), inherit=False)
    env.reset()
    infos = [env.step(env.train_action)[4] for _ in range(4)]
    assert [info["epochs"] for info in infos] == pytest.approx([0.34, 0.51, 0.68, 0.85])
    assert [spec.training.epochs for spec in env.evaluator.specs] == pytest.approx([0.17, 0.34, 0.51, 0.68, 0.85])


def test_every_child_has_the_childs_seed_whatever_the_reset_says(make_env):
    env = make_env(child_seed=5, child=CHILD.with_seed(2))
    for seed in (0, 1, None):
        env.reset(seed=seed)
        env.step(env.train_action)
    assert {spec.seed for spec in env.evaluator.specs} == {5}
    assert len(set(env.evaluator.asked)) == 2
