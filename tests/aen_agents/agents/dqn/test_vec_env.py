"""The same environments in lock-step for Stable-Baselines3: what its own DummyVecEnv would return."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.wrappers import TimeLimit
from helpers.table_evaluators import ENVIRONMENTS, LateTable, draw_action, plain
from stable_baselines3 import DQN, PPO
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecMonitor, VecNormalize

from aen.errors import SpecError
from aen_agents.agents.dqn.vec_env import LockstepVecEnv


def make(kind, n=3, **options):
    evaluator = LateTable(**options)
    return LockstepVecEnv([ENVIRONMENTS[kind](evaluator) for _ in range(n)]), evaluator


@pytest.mark.parametrize("kind", ENVIRONMENTS)
def test_it_returns_what_their_own_does(kind):
    ours, _ = make(kind)
    table = LateTable()
    theirs = DummyVecEnv([lambda: ENVIRONMENTS[kind](table)] * 3)
    assert (ours.observation_space, ours.action_space) == (theirs.observation_space, theirs.action_space)
    assert (ours.num_envs, ours.render_mode) == (theirs.num_envs, theirs.render_mode)
    random = np.random.default_rng(0)
    ends = set()
    for seed in (None, 7):
        for env in (ours, theirs):
            if seed is not None:
                env.seed(seed)
                env.set_options({"state": [0] * len(ours.envs[0].snapshot()["state"])})
        assert plain(ours.reset()) == plain(theirs.reset())
        assert plain(ours.reset_infos) == plain(theirs.reset_infos)
        assert seed is None or ours.get_attr("np_random_seed") == theirs.get_attr("np_random_seed") == [7, 8, 9]
        for _ in range(14):
            actions = np.array([draw_action(env, random) for env in ours.envs])
            outcome = ours.step(actions)
            assert plain(outcome) == plain(theirs.step(actions))
            assert plain(ours.reset_infos) == plain(theirs.reset_infos)
            ends |= {info["TimeLimit.truncated"] for info in outcome[3] if "terminal_observation" in info}
    assert True in ends, "episodes must be cut off in this test"


@pytest.mark.parametrize("kind", ENVIRONMENTS)
def test_wrapped_environments_return_what_their_own_does(kind):
    wrap = lambda table: Monitor(TimeLimit(ENVIRONMENTS[kind](table, observation="box"), 2))  # noqa: E731
    tables = LateTable(), LateTable()
    ours = LockstepVecEnv([wrap(tables[0]) for _ in range(2)])
    theirs = DummyVecEnv([lambda: wrap(tables[1])] * 2)
    assert ours.env_is_wrapped(TimeLimit) == ours.env_is_wrapped(Monitor) == [True, True]
    assert ours.get_attr("action_names") == theirs.get_attr("action_names")
    assert plain(ours.reset()) == plain(theirs.reset())
    random = np.random.default_rng(0)
    ended = 0
    for _ in range(6):
        actions = np.array([draw_action(env.unwrapped, random) for env in ours.envs])
        found, expected = ours.step(actions), theirs.step(actions)
        for info in (*found[3], *expected[3]):
            info.get("episode", {}).pop("t", None)
        assert plain(found) == plain(expected)
        ended += sum("episode" in info for info in found[3])
    assert ended >= 4
    assert len(tables[0].calls) < len(tables[1].calls)


def test_normalised_box_observations_are_learnt_from():
    table = LateTable()
    envs = LockstepVecEnv([TimeLimit(ENVIRONMENTS["design"](table, observation="box"), 3) for _ in range(2)])
    PPO("MlpPolicy", VecNormalize(envs), n_steps=4, batch_size=4, n_epochs=1).learn(8)
    assert len(table.calls) >= 5


def test_all_children_of_a_step_are_submitted_in_one_call_and_those_of_the_starts_in_another():
    env, evaluator = make("decomposition", 4)
    env.reset()
    env.step(np.array([0, 1, 0, 2]))
    env.step(np.array([12, 1, 12, 2]))
    assert [len(keys) for keys, _ in evaluator.calls] == [8, 4, 4, 4]


def test_a_step_does_not_wait_until_it_is_asked_to():
    env, evaluator = make("decomposition", 2)
    env.reset()
    evaluator.late = True
    env.step_async(np.array([0, 1]))
    assert len(evaluator.waiting) == 2
    assert [each.snapshot()["steps"] for each in env.envs] == [0, 0]
    evaluator.answer()
    assert env.step_wait()[0].sum() == 2


def test_a_reset_drops_the_step_under_way():
    env, _ = make("decomposition", 2)
    env.reset()
    env.step_async(np.array([0, 1]))
    with pytest.raises(SpecError, match="step_async was called while a step is running; call step_wait first"):
        env.step_async(np.array([0, 1]))
    assert env.reset().sum() == 0
    with pytest.raises(SpecError, match="step_wait was called, but no step is running; call step_async first"):
        env.step_wait()
    assert env.step(np.array([3, 4]))[0].sum() == 2


def test_observations_are_not_reused_buffers():
    env, _ = make("decomposition", 1)
    first = env.reset()
    second, *_ = env.step(np.array([0]))
    assert (first.sum(), second.sum()) == (0, 1)
    second[:] = 1
    for _ in range(3):
        last, _, done, infos = env.step(np.array([1]))
    assert done
    assert infos[0]["terminal_observation"].tolist() == [1, 1] + [0] * 10
    assert last.sum() == 0


def test_where_an_evaluator_fails_nothing_has_moved():
    env, evaluator = make("decomposition", 2)
    env.reset()
    before = [each.snapshot() for each in env.envs]
    evaluator.fails = 0
    with pytest.raises(OSError, match="no space left"):
        env.step(np.array([0, 1]))
    assert [each.snapshot() for each in env.envs] == before
    evaluator.fails = None
    assert env.step(np.array([0, 1]))[0].sum() == 2
    evaluator.fails = len(evaluator.calls) + 1
    with pytest.raises(OSError, match="no space left"):
        env.step(np.array([12, 1]))
    evaluator.fails = None
    with pytest.raises(SpecError, match="step was called before reset, or after one that failed; call reset first"):
        env.step(np.array([0, 0]))
    env.reset()
    env.step(np.array([0, 0]))


def test_wrong_actions_are_named():
    env, _ = make("decomposition", 2)
    with pytest.raises(SpecError, match="step was called before reset"):
        env.step(np.array([0, 0]))
    env.reset()
    with pytest.raises(SpecError, match=r"actions has shape \(3,\); give one for each of 2 environments"):
        env.step(np.array([0, 0, 0]))
    with pytest.raises(SpecError, match="choose 0 to 12"):
        env.step(np.array([0, 13]))
    assert env.step(np.array([0, 1]))[0].sum() == 2


def test_environments_that_cannot_go_together_are_named():
    with pytest.raises(SpecError, match="environments is empty; give at least 1"):
        LockstepVecEnv([])


def test_what_gymnasium_makes_is_taken_out_of_its_wrappers():
    evaluator = LateTable()
    env = LockstepVecEnv([lambda: gym.make("aen_envs:aen/GroupDecomposition-v0", evaluator=evaluator)] * 2)
    assert env.env_is_wrapped(gym.Wrapper) == [False, False]
    assert env.env_is_wrapped(Monitor, indices=1) == [False]
    assert env.reset().shape == (2, 12)


def test_attributes_methods_and_masks_of_some():
    env, _ = make("relaxation", 3)
    env.reset()
    env.step(np.array([env.envs[0].stop_action, env.envs[0].action_of(8, "C4"), env.envs[0].train_action]))
    masks = env.env_method("action_masks")
    assert [mask.sum() for mask in masks] == [3, 4, 3]
    assert env.env_method("action_of", 8, group="C4", indices=[0, 2]) == [env.envs[0].action_of(8, "C4")] * 2
    env.set_attr("horizon", 9, indices=[1])
    assert env.get_attr("horizon") == [5, 9, 5]
    assert env.get_attr("slices_left", indices=1) == [2]
    assert env.has_attr("action_masks")
    assert not env.has_attr("nothing")


def test_it_draws_all_in_one_picture():
    env, evaluator = make("decomposition", 1)
    env.reset()
    assert env.get_images() == [None]
    env = LockstepVecEnv([ENVIRONMENTS["decomposition"](evaluator, render_mode="rgb_array") for _ in range(2)])
    env.reset()
    height, width, _ = env.get_images()[0].shape
    assert env.render().shape in {(height, 2 * width, 3), (2 * height, width, 3)}
    env.close()


class Weights:
    """Whether an agent's weights have changed."""

    def __init__(self, model):
        self.model, self.before = model, self._now(model)

    @staticmethod
    def _now(model):
        return [parameter.detach().clone() for parameter in model.policy.parameters()]

    def changed(self):
        return any((a != b).any() for a, b in zip(self.before, self._now(self.model), strict=True))


def test_ppo_learns_on_it_as_on_their_own():
    def learn(env):
        model = PPO("MlpPolicy", VecMonitor(env), n_steps=8, batch_size=8, n_epochs=2, seed=1, device="cpu")
        weights = Weights(model)
        model.learn(48)
        assert weights.changed()
        return [parameter.tolist() for parameter in model.policy.parameters()], [*model.ep_info_buffer]

    ours, returns = learn(make("layerwise")[0])
    table = LateTable()
    theirs, their_returns = learn(DummyVecEnv([lambda: ENVIRONMENTS["layerwise"](table)] * 3))
    assert ours == theirs
    assert [(each["r"], each["l"]) for each in returns] == [(each["r"], each["l"]) for each in their_returns]
    assert len(returns) == 15, "5 episodes of 3 steps in each environment"


def test_dqn_learns_on_it_as_on_their_own():
    def learn(env):
        arguments = {"learning_starts": 6, "batch_size": 4, "train_freq": 1, "buffer_size": 300}
        model = DQN("MlpPolicy", env, seed=1, device="cpu", **arguments)
        weights = Weights(model)
        model.learn(45)
        assert weights.changed()
        replay = model.replay_buffer
        kept = replay.observations, replay.next_observations, replay.actions, replay.rewards, replay.dones
        return [parameter.tolist() for parameter in model.policy.parameters()], plain([*kept, replay.timeouts])

    table = LateTable()
    ours = learn(make("decomposition")[0])
    assert ours == learn(DummyVecEnv([lambda: ENVIRONMENTS["decomposition"](table)] * 3))
