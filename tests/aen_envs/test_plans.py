"""plan and arrive: the two halves of a step."""

from dataclasses import FrozenInstanceError

import gymnasium
import numpy as np
import pytest
from helpers.table_evaluators import ENVIRONMENTS, LateTable, draw_action, plain
from hypothesis import given, settings
from hypothesis import strategies as st

from aen.errors import SpecError
from aen.evaluators import evaluate


def answered(env, plan):
    return evaluate(env.evaluator, plan.specs, keep_weights=plan.keep_weights) if plan.specs else []


@settings(max_examples=30, deadline=None)
@given(kind=st.sampled_from(sorted(ENVIRONMENTS)), seed=st.integers(0, 2**32 - 1))
@pytest.mark.slow
def test_both_halves_make_a_step(kind, seed):
    ours, theirs = (ENVIRONMENTS[kind](LateTable()) for _ in range(2))
    random = np.random.default_rng(seed)
    for episode_seed in (None, 5, None):
        plan = ours.plan_reset(seed=episode_seed)
        assert plain(ours.arrive_reset(plan, answered(ours, plan))) == plain(theirs.reset(seed=episode_seed))
        ended = False
        while not ended:
            action = draw_action(ours, random)
            plan = ours.plan(action)
            assert plan.action == action
            outcome = ours.arrive(plan, answered(ours, plan))
            assert plain(outcome) == plain(theirs.step(action))
            ended = outcome[2] or outcome[3]
    assert ours.evaluator.calls == theirs.evaluator.calls


@pytest.mark.parametrize("kind", ENVIRONMENTS)
def test_a_plan_changes_nothing(kind):
    env = ENVIRONMENTS[kind](LateTable())
    env.reset(seed=1)
    env.step(0)
    before, asked = env.snapshot(), list(env.evaluator.asked)
    for action in range(env.action_space.n):
        env.plan(action)
    env.plan_reset(seed=7)
    assert env.snapshot() == before
    assert env.evaluator.asked == asked


@pytest.mark.parametrize("kind", ENVIRONMENTS)
def test_a_plan_can_wait_while_others_are_made(kind):
    """Children that come in another order than they were asked for make the same steps."""
    evaluator = LateTable(late=True)
    envs = [ENVIRONMENTS[kind](evaluator) for _ in range(3)]
    alone = [ENVIRONMENTS[kind](LateTable()) for _ in range(3)]
    starts = [env.plan_reset() for env in envs]
    futures = [evaluator.submit(plan.specs, keep_weights=plan.keep_weights) for plan in starts]
    evaluator.answer()
    for env, plan, children, twin in reversed(list(zip(envs, starts, futures, alone, strict=True))):
        assert plain(env.arrive_reset(plan, [c.result() for c in children])) == plain(twin.reset())
    actions = [np.flatnonzero(getattr(env, "action_masks", lambda: np.ones(3))())[i] for i, env in enumerate(envs)]
    plans = [env.plan(action) for env, action in zip(envs, actions, strict=True)]
    futures = [evaluator.submit(plan.specs, keep_weights=plan.keep_weights) for plan in plans]
    evaluator.answer()
    for i in (1, 2, 0):
        outcome = envs[i].arrive(plans[i], [child.result() for child in futures[i]])
        assert plain(outcome) == plain(alone[i].step(actions[i]))


def test_what_trains_nothing_asks_for_nothing():
    env = ENVIRONMENTS["relaxation"](LateTable())
    env.reset()
    for action in (env.action_of(0, "C4"), env.stop_action):
        assert env.plan(action).specs == ()
        env.step(action)
    assert len(env.evaluator.calls) == 1


def test_stopping_asks_for_the_child_of_the_state_as_it_is():
    env = ENVIRONMENTS["decomposition"](LateTable())
    env.reset(options={"state": [1] + [0] * 11})
    plan = env.plan(12)
    assert (plan.specs, plan.state) == ((env.spec_of([1] + [0] * 11),), (1, *[0] * 11))


def test_a_plan_is_frozen():
    plan = ENVIRONMENTS["decomposition"](LateTable()).plan_reset(seed=3)
    with pytest.raises(FrozenInstanceError):
        plan.seed = 4


@pytest.mark.parametrize("kind", ENVIRONMENTS)
def test_a_plan_that_is_none_for_now_is_refused(kind):
    env = ENVIRONMENTS[kind](LateTable())
    start = env.plan_reset()
    env.reset()
    plan = env.plan(0)
    with pytest.raises(SpecError, match="plan is that of a reset; hand it to arrive_reset"):
        env.arrive(start, answered(env, start))
    with pytest.raises(SpecError, match="plan is that of a step; hand it to arrive"):
        env.arrive_reset(plan, answered(env, plan))
    n = len(plan.specs)
    with pytest.raises(SpecError, match=rf"evaluations has {n + 1}, but the plan has {n} specs; give one for each"):
        env.arrive(plan, [*answered(env, plan), evaluate(env.evaluator, start.specs[:1])[0]])
    env.arrive(plan, answered(env, plan))
    with pytest.raises(SpecError, match="plan is for step 1, but step 2 is due; plan again"):
        env.arrive(plan, answered(env, plan))
    assert env.snapshot()["steps"] == 1


@pytest.mark.parametrize("kind", ENVIRONMENTS)
def test_a_plan_needs_an_episode_and_an_action(kind):
    env = ENVIRONMENTS[kind](LateTable())
    with pytest.raises(SpecError, match="step was called before reset"):
        env.plan(0)
    env.reset()
    with pytest.raises(SpecError, match="action is -1; choose 0 to"):
        env.plan(-1)
    with pytest.raises(SpecError, match=r"options\['state'\] is 'x'"):
        env.plan_reset(options={"state": "x"})
    with pytest.raises(gymnasium.error.Error, match="Seed must be"):
        env.plan_reset(seed=-1)


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
