"""Environments with wrappers and time limits in lock-step: what Gymnasium's own vector environment would return."""

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.wrappers import (
    FlattenObservation,
    NormalizeReward,
    OrderEnforcing,
    PassiveEnvChecker,
    TimeAwareObservation,
    TimeLimit,
    TransformReward,
)
from helpers.table_evaluators import ENVIRONMENTS, LateTable, draw_action, plain

from aen.errors import SpecError
from aen_envs import ENVIRONMENT_IDS, ChildVectorEnv
from aen_envs.group_decomposition import quick_child
from aen_envs.layerwise_relaxation import quick_child as quick_relaxation


class NextAction(gymnasium.ActionWrapper):
    def action(self, action):
        return (int(action) + 1) % self.env.action_space.n


class SecretlyNextAction(gymnasium.Wrapper):
    """One that changes actions without being an ActionWrapper, so that another child than foreseen is needed."""

    def step(self, action):
        return self.env.step((int(action) + 1) % self.env.action_space.n)


STACKS = {
    "limit": lambda env: TimeLimit(env, 2),
    "limit beyond the horizon": lambda env: TimeLimit(env, 50),
    "made": lambda env: TimeLimit(OrderEnforcing(PassiveEnvChecker(env)), 2),
    "observation": lambda env: TimeAwareObservation(FlattenObservation(TimeLimit(env, 3)), normalize_time=False),
    "reward": lambda env: TransformReward(TimeLimit(env, 3), lambda reward: 2 * reward),
    "running mean": lambda env: NormalizeReward(TimeLimit(env, 3)),
    "action": lambda env: TimeLimit(NextAction(env), 3),
    "secret": lambda env: TimeLimit(SecretlyNextAction(env), 3),
}
# All stacks over one environment, the limit over every environment.
CASES = [("decomposition", stack) for stack in STACKS] + [(kind, "made") for kind in ENVIRONMENTS]


def same(ours, theirs):
    assert plain(list(ours)) == plain(list(theirs))


@pytest.mark.parametrize(("kind", "stack"), CASES)
@pytest.mark.parametrize("mode", AutoresetMode, ids=lambda mode: mode.value)
def test_it_returns_what_gymnasiums_own_does(kind, stack, mode):
    tables = LateTable(), LateTable()
    make = lambda table: STACKS[stack](ENVIRONMENTS[kind](table))  # noqa: E731
    ours = ChildVectorEnv([make(tables[0]) for _ in range(3)], autoreset_mode=mode)
    theirs = SyncVectorEnv([lambda: make(tables[1])] * 3, autoreset_mode=mode)
    assert ours.single_observation_space == theirs.single_observation_space
    random, ended = np.random.default_rng(0), 0
    for seed in (None, [5, None, 1]):
        same(ours.reset(seed=seed), theirs.reset(seed=seed))
        for _ in range(8):
            actions = np.array([draw_action(env.unwrapped, random) for env in ours.envs])
            outcome = ours.step(actions)
            same(outcome, theirs.step(actions))
            over = outcome[2] | outcome[3]
            ended += over.sum()
            if mode is AutoresetMode.DISABLED and over.any():
                with pytest.raises(
                    SpecError, match=r"the episodes of environments \[\d.*\] have ended; reset them with"
                ):
                    ours.step(actions)
                options = {"reset_mask": over, "state": [1] * 12} if kind == "decomposition" else {"reset_mask": over}
                same(ours.reset(seed=3, options=options), theirs.reset(seed=3, options=dict(options)))
    assert ended > 3, "episodes must end in this test"
    trained = [{key for keys, _ in table.calls for key in keys} for table in tables]
    assert trained[0] >= trained[1]
    if stack not in {"action", "secret"}:
        assert trained[0] == trained[1]
        assert len(tables[0].calls) < len(tables[1].calls), "children are submitted together"


@pytest.mark.parametrize("environment_id", ENVIRONMENT_IDS)
def test_a_time_limit_truncates_whichever_way_it_is_made(environment_id):
    make = lambda mode, **arguments: gymnasium.make_vec(  # noqa: E731
        f"aen_envs:{environment_id}", num_envs=2, vectorization_mode=mode, evaluator=LateTable(), **arguments
    )
    if environment_id == "aen/LayerwiseRelaxation-v0":
        children = {"child": quick_relaxation(), "horizon": 3}
    else:
        children = {"horizon": 3} | ({} if "GCNN" in environment_id else {"child": quick_child()})
    lengths = {None: 3, -1: 3, 2: 2, 9: 3}
    for limit, length in lengths.items():
        both = [make(mode, max_episode_steps=limit, **children) for mode in ("vector_entry_point", "sync")]
        unchecked = make("vector_entry_point", max_episode_steps=limit, disable_env_checker=True, **children)
        for envs in (*both, unchecked):
            envs.reset(seed=0)
        for number in range(1, length + 2):
            outcomes = [plain(list(envs.step(np.array([0, 1])))) for envs in (*both, unchecked)]
            assert outcomes[0] == outcomes[1] == outcomes[2]
            assert outcomes[0][3][2] == [number == length] * 2


def test_frames_are_collected_as_by_gymnasium():
    both = [
        gymnasium.make_vec(
            "aen_envs:aen/GroupDecomposition-v0",
            num_envs=2,
            vectorization_mode=mode,
            render_mode="ansi_list",
            evaluator=LateTable(),
        )
        for mode in ("vector_entry_point", "sync")
    ]
    for envs in both:
        envs.reset(seed=0)
        envs.step(np.array([0, 1]))
    assert both[0].render_mode == both[1].render_mode == "ansi_list"
    assert [len(frames) for frames in both[0].render()] == [2, 2]
    envs = gymnasium.make_vec("aen_envs:aen/GroupDecomposition-v0", render_mode="ansi")
    assert envs.render_mode == "ansi"


def test_a_wrong_limit_is_named():
    for limit, message in [(0, "must be at least 1"), (2.5, "must be a whole number"), ("2", "must be a whole number")]:
        with pytest.raises(SpecError, match=f"max_episode_steps is .*{message}"):
            gymnasium.make_vec("aen_envs:aen/GroupDecomposition-v0", max_episode_steps=limit)


def test_where_an_evaluator_fails_no_wrapped_environment_has_moved():
    evaluator = LateTable()
    env = ChildVectorEnv([TimeLimit(ENVIRONMENTS["decomposition"](evaluator), 3) for _ in range(2)])
    env.reset()
    env.step(np.array([0, 1]))
    before = [each.unwrapped.snapshot() for each in env.envs]
    evaluator.fails = 0
    with pytest.raises(OSError, match="no space left"):
        env.step(np.array([1, 2]))
    assert [each.unwrapped.snapshot() for each in env.envs] == before
    evaluator.fails = None
    assert env.step(np.array([1, 2]))[3].tolist() == [False, False]
    assert env.step(np.array([1, 2]))[3].tolist() == [True, True]


def test_attributes_are_those_of_wrappers_and_environments():
    env = ChildVectorEnv([TimeLimit(ENVIRONMENTS["decomposition"](LateTable()), 3)])
    assert env.get_attr("_max_episode_steps") == (3,)
    env.set_attr("_max_episode_steps", 1)
    env.set_attr("horizon", 7)
    assert (env.envs[0]._max_episode_steps, env.envs[0].unwrapped.horizon) == (1, 7)
    assert env.get_attr("action_names") == (env.action_names,)
    env.reset()
    assert env.step(np.array([0]))[3].tolist() == [True]
