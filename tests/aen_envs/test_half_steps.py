"""begin_step and finish_step: the two halves of a step."""

from dataclasses import FrozenInstanceError

import gymnasium
import numpy as np
import pytest
from helpers.table_evaluators import ENVIRONMENTS, LateTable, draw_action, plain
from hypothesis import given, settings
from hypothesis import strategies as st

from aen.errors import SpecError
from aen.evaluators import evaluate
from aen_envs.child_env import Plan


def answered(env, pending):
    return evaluate(env.evaluator, pending.specs, keep_weights=pending.keep_weights) if pending.specs else []


@settings(max_examples=30)
@given(kind=st.sampled_from(sorted(ENVIRONMENTS)), seed=st.integers(0, 2**32 - 1))
@pytest.mark.slow
def test_both_halves_make_a_step(kind, seed):
    ours, theirs = (ENVIRONMENTS[kind](LateTable()) for _ in range(2))
    random = np.random.default_rng(seed)
    for episode_seed in (None, 5, None):
        pending = ours.begin_reset(seed=episode_seed)
        assert plain(ours.finish_reset(pending, answered(ours, pending))) == plain(theirs.reset(seed=episode_seed))
        ended = False
        while not ended:
            action = draw_action(ours, random)
            pending = ours.begin_step(action)
            assert pending.action == action
            outcome = ours.finish_step(pending, answered(ours, pending))
            assert plain(outcome) == plain(theirs.step(action))
            ended = outcome[2] or outcome[3]
    assert ours.evaluator.calls == theirs.evaluator.calls


@pytest.mark.parametrize("kind", ENVIRONMENTS)
def test_beginning_a_step_changes_nothing(kind):
    env = ENVIRONMENTS[kind](LateTable())
    env.reset(seed=1)
    env.step(0)
    before, asked = env.snapshot(), list(env.evaluator.asked)
    for action in range(env.action_space.n):
        env.begin_step(action)
    env.begin_reset(seed=7)
    assert env.snapshot() == before
    assert env.evaluator.asked == asked


@pytest.mark.parametrize("kind", ENVIRONMENTS)
def test_steps_can_wait_while_others_are_finished(kind):
    """Children that come in another order than they were asked for make the same steps."""
    evaluator = LateTable(late=True)
    envs = [ENVIRONMENTS[kind](evaluator) for _ in range(3)]
    alone = [ENVIRONMENTS[kind](LateTable()) for _ in range(3)]
    starts = [env.begin_reset() for env in envs]
    futures = [evaluator.submit(pending.specs, keep_weights=pending.keep_weights) for pending in starts]
    evaluator.answer()
    for env, pending, children, twin in reversed(list(zip(envs, starts, futures, alone, strict=True))):
        assert plain(env.finish_reset(pending, [c.result() for c in children])) == plain(twin.reset())
    actions = [np.flatnonzero(getattr(env, "action_masks", lambda: np.ones(3))())[i] for i, env in enumerate(envs)]
    begun = [env.begin_step(action) for env, action in zip(envs, actions, strict=True)]
    futures = [evaluator.submit(pending.specs, keep_weights=pending.keep_weights) for pending in begun]
    evaluator.answer()
    for i in (1, 2, 0):
        outcome = envs[i].finish_step(begun[i], [child.result() for child in futures[i]])
        assert plain(outcome) == plain(alone[i].step(actions[i]))


def test_what_trains_nothing_asks_for_nothing():
    env = ENVIRONMENTS["relaxation"](LateTable())
    env.reset()
    for action in (env.action_of(0, "C4"), env.stop_action):
        assert env.begin_step(action).specs == ()
        env.step(action)
    assert len(env.evaluator.calls) == 1


def test_stopping_asks_for_the_child_of_the_state_as_it_is():
    env = ENVIRONMENTS["decomposition"](LateTable())
    env.reset(options={"state": [1] + [0] * 11})
    pending = env.begin_step(12)
    assert (pending.specs, pending.state) == ((env.spec_of([1] + [0] * 11),), (1, *[0] * 11))


def test_a_pending_step_is_frozen():
    pending = ENVIRONMENTS["decomposition"](LateTable()).begin_reset(seed=3)
    with pytest.raises(FrozenInstanceError):
        pending.seed = 4


@pytest.mark.parametrize("kind", ENVIRONMENTS)
def test_a_pending_step_that_does_not_fit_is_refused(kind):
    env = ENVIRONMENTS[kind](LateTable())
    start = env.begin_reset()
    env.reset()
    pending = env.begin_step(0)
    with pytest.raises(SpecError, match="pending is that of a reset; pass it to finish_reset"):
        env.finish_step(start, answered(env, start))
    with pytest.raises(SpecError, match="pending is that of a step; pass it to finish_step"):
        env.finish_reset(pending, answered(env, pending))
    n = len(pending.specs)
    with pytest.raises(
        SpecError, match=rf"evaluations has length {n + 1}, but pending has {n} specs; give one for each"
    ):
        env.finish_step(pending, [*answered(env, pending), evaluate(env.evaluator, start.specs[:1])[0]])
    env.finish_step(pending, answered(env, pending))
    with pytest.raises(SpecError, match="pending is for step 1, but step 2 is due; call begin_step again"):
        env.finish_step(pending, answered(env, pending))
    assert env.snapshot()["steps"] == 1


@pytest.mark.parametrize("kind", ENVIRONMENTS)
def test_beginning_needs_an_episode_and_an_action(kind):
    env = ENVIRONMENTS[kind](LateTable())
    with pytest.raises(SpecError, match="step was called before reset"):
        env.begin_step(0)
    env.reset()
    with pytest.raises(SpecError, match="action is -1; choose 0 to"):
        env.begin_step(-1)
    with pytest.raises(SpecError, match=r"options\['state'\] is 'x'"):
        env.begin_reset(options={"state": "x"})
    with pytest.raises(gymnasium.error.Error, match="seed is -1; it must be at least 0"):
        env.begin_reset(seed=-1)


@pytest.mark.parametrize("kind", ENVIRONMENTS)
def test_a_reset_that_fails_leaves_the_episode_as_it_was(kind):
    env = ENVIRONMENTS[kind](LateTable(fails=2))
    env.reset(seed=1)
    env.step(env.action_space.n - 3)
    before = env.snapshot()
    env.evaluator.fails = 0
    with pytest.raises(OSError, match="no space left"):
        env.reset(seed=2)
    assert env.snapshot() == before


@pytest.mark.parametrize("kind", ENVIRONMENTS)
def test_the_former_names_still_work(kind):
    env, twin = ENVIRONMENTS[kind](LateTable()), ENVIRONMENTS[kind](LateTable())
    start = env.plan_reset(seed=3)
    assert isinstance(start, Plan)
    assert plain(env.arrive_reset(start, answered(env, start))) == plain(twin.reset(seed=3))
    action = env.action_space.n - 2
    pending = env.plan(action)
    assert plain(env.arrive(pending, answered(env, pending))) == plain(twin.step(action))
