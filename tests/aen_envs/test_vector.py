"""Several environments in lock-step: what Gymnasium's own vector environment would return, with fewer calls."""

from dataclasses import replace

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.wrappers import TimeLimit
from helpers.table_evaluators import ENVIRONMENTS, LateTable, draw_action, plain

from aen.errors import SpecError
from aen.evaluators import LocalEvaluator
from aen.results.store import ResultStore
from aen_envs import ENVIRONMENT_IDS, ChildVectorEnv, GroupDecompositionEnv
from aen_envs.group_decomposition import quick_child

MODES = (AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP)
SEEDS = (None, 3, [5, None, 1])


def both(kind, mode, n=3):
    """Ours and Gymnasium's, each over environments and a table of its own."""
    tables = LateTable(), LateTable()
    ours = ChildVectorEnv([ENVIRONMENTS[kind](tables[0]) for _ in range(n)], autoreset_mode=mode)
    theirs = SyncVectorEnv([lambda: ENVIRONMENTS[kind](tables[1])] * n, autoreset_mode=mode)
    return ours, theirs


def same(ours, theirs):
    assert plain(list(ours)) == plain(list(theirs))


@pytest.mark.parametrize("kind", ENVIRONMENTS)
@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.value)
def test_it_returns_what_gymnasiums_own_does(kind, mode):
    ours, theirs = both(kind, mode)
    assert (ours.observation_space, ours.action_space) == (theirs.observation_space, theirs.action_space)
    assert ours.single_observation_space == theirs.single_observation_space
    assert ours.single_action_space == theirs.single_action_space
    assert (ours.num_envs, ours.metadata) == (theirs.num_envs, theirs.metadata)
    random = np.random.default_rng(0)
    ended = set()
    for seed in SEEDS:
        same(ours.reset(seed=seed), theirs.reset(seed=seed))
        assert ours.get_attr("np_random_seed") == theirs.get_attr("np_random_seed") or seed is None
        for _ in range(12):
            actions = np.array([draw_action(env, random) for env in ours.envs])
            outcome = ours.step(actions)
            same(outcome, theirs.step(actions))
            ended |= {*np.flatnonzero(outcome[2]), *(3 + np.flatnonzero(outcome[3]))}
    assert len(ended) >= 3, "episodes must end in this test"
    ours.close()
    theirs.close()


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.value)
def test_some_environments_can_be_reset(mode):
    ours, theirs = both("decomposition", mode)
    options = {"state": [1] * 12}
    same(ours.reset(options=options), theirs.reset(options=options))
    for actions in ([0, 1, 12], [2, 3, 4]):
        same(ours.step(np.array(actions)), theirs.step(np.array(actions)))
        chosen = {"reset_mask": np.array([True, False, True])}
        same(ours.reset(seed=2, options=chosen), theirs.reset(seed=2, options=dict(chosen)))
        assert "reset_mask" in chosen
    same(ours.step(np.array([1, 1, 1])), theirs.step(np.array([1, 1, 1])))


def test_all_children_of_a_step_are_submitted_in_one_call():
    evaluator = LateTable()
    env = ChildVectorEnv([ENVIRONMENTS["decomposition"](evaluator) for _ in range(4)], autoreset_mode="SameStep")
    env.reset()
    assert [len(keys) for keys, _ in evaluator.calls] == [8]
    env.step(np.array([0, 1, 0, 2]))
    assert [len(keys) for keys, _ in evaluator.calls] == [8, 4]
    env.step(np.array([12, 1, 12, 2]))
    assert [len(keys) for keys, _ in evaluator.calls] == [8, 4, 4, 4], "and those of the two starts"


def test_weights_are_kept_where_they_are_wanted():
    evaluator = LateTable()
    kinds = [{"inherit": False}, {}, {"inherit": False}]
    envs = [ENVIRONMENTS["relaxation"](evaluator, **kind) for kind in kinds]
    env = ChildVectorEnv(envs)
    twin = SyncVectorEnv([lambda kind=kind: ENVIRONMENTS["relaxation"](LateTable(), **kind) for kind in kinds])
    same(env.reset(), twin.reset())
    actions = np.array([envs[0].train_action, envs[0].action_of(8, "C4"), envs[0].stop_action])
    same(env.step(actions), twin.step(actions))
    assert [(len(keys), kept) for keys, kept in evaluator.calls] == [(2, False), (1, True), (1, False), (1, True)]


def test_observations_are_not_reused_buffers():
    env = ChildVectorEnv([ENVIRONMENTS["decomposition"](LateTable())])
    first, _ = env.reset()
    second, *_ = env.step(np.array([0]))
    assert (first.sum(), second.sum()) == (0, 1)
    second[:] = 1
    assert env.step(np.array([1]))[0].sum() == 2


def test_where_an_evaluator_fails_nothing_has_moved():
    evaluator = LateTable()
    env = ChildVectorEnv([ENVIRONMENTS["decomposition"](evaluator) for _ in range(2)])
    env.reset()
    env.step(np.array([0, 1]))
    before = [each.snapshot() for each in env.envs]
    evaluator.fails = 0
    for move in (lambda: env.step(np.array([1, 2])), env.reset):
        with pytest.raises(OSError, match="no space left"):
            move()
        assert [each.snapshot() for each in env.envs] == before
    evaluator.fails = None
    assert env.step(np.array([1, 2]))[0].sum() == 4


def test_where_the_children_of_starts_fail_a_reset_is_due():
    evaluator = LateTable()
    env = ChildVectorEnv([ENVIRONMENTS["decomposition"](evaluator) for _ in range(2)], autoreset_mode="SameStep")
    env.reset()
    evaluator.fails = 2
    with pytest.raises(OSError, match="no space left"):
        env.step(np.array([12, 0]))
    evaluator.fails = None
    with pytest.raises(SpecError, match="step was called before reset, or after one that failed; call reset first"):
        env.step(np.array([0, 0]))
    with pytest.raises(SpecError, match="names only some environments, but none has an episode; reset all"):
        env.reset(options={"reset_mask": np.array([True, False])})
    env.reset()
    env.step(np.array([0, 0]))


def test_a_wrong_action_moves_none():
    evaluator = LateTable()
    env = ChildVectorEnv([ENVIRONMENTS["decomposition"](evaluator) for _ in range(2)])
    with pytest.raises(SpecError, match="step was called before reset"):
        env.step(np.array([0, 0]))
    env.reset()
    for actions, message in [
        (np.array([0, 13]), "action is np.int64.13.; choose 0 to 12"),
        (np.array([0]), r"actions has shape \(1,\); give one for each of 2 environments"),
        (np.array([[0], [0]]), r"actions has shape \(2, 1\)"),
        (np.array([0.5, 0]), "action is np.float64.0.5."),
    ]:
        with pytest.raises(SpecError, match=message):
            env.step(actions)
    assert env.step(np.array([1, 2]))[0].sum() == 2


def test_attributes_and_methods_of_all():
    env = ChildVectorEnv([ENVIRONMENTS["relaxation"](LateTable())])
    env.reset()
    assert env.call("action_masks")[0].sum() == 3
    assert env.get_attr("slices") == (3,)
    env.set_attr("horizon", 7)
    assert env.get_attr("horizon") == (7,)
    env.set_attr("horizon", [8])
    assert env.get_attr("horizon") == (8,)
    with pytest.raises(SpecError, match="values has 2 for 1 environments; give one for each"):
        env.set_attr("horizon", [8, 9])
    assert env.np_random_seed == (env.envs[0].np_random_seed,)
    with pytest.warns(UserWarning, match="render was called without a render mode"):
        assert env.render() == (None,)


TABLE = LateTable()
ONE = ENVIRONMENTS["decomposition"](TABLE)


@pytest.mark.parametrize(
    ("environments", "message"),
    [
        ([], "environments is empty; give at least 1"),
        ([ONE, ONE], "environments has the same one twice; make a new one for each"),
        ([ONE, lambda: ENVIRONMENTS["decomposition"](LateTable())], "environment 1 has another evaluator than env"),
        ([ONE, ENVIRONMENTS["layerwise"](TABLE)], r"environment 1 has the observation_space MultiBinary\(4\), but"),
        ([ONE, ENVIRONMENTS["decomposition"](TABLE, stop_action=False)], r"environment 1 has the action_space"),
        ([ONE, TimeLimit(ONE, 3)], "environments has the same one twice; make a new one for each"),
        ([lambda: gymnasium.make("CartPole-v1")], "an environment is CartPoleEnv, which cannot run in parallel"),
        ([lambda: gymnasium.make("CartPole-v1").unwrapped], "an environment is CartPoleEnv, which cannot run"),
    ],
)
def test_environments_that_cannot_go_together_are_named(environments, message):
    with pytest.raises(SpecError, match=message):
        ChildVectorEnv(environments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"seed": [1, 2]}, "seed has 2 numbers for 1 environments; give one for each"),
        ({"seed": -1}, "seed is -1; it must be at least 0"),
        ({"seed": "12"}, "seed is '12' but must be a whole number"),
        ({"seed": 1.5}, "seed is 1.5, of type float, but must be a whole number"),
        ({"options": {"stat": [2] * 12}}, r"options has an unknown key 'stat' \(did you mean 'state'\?\)"),
        ({"options": {"reset_mask": None}}, r"options\['reset_mask'\] is None; give an array of 1 booleans"),
        ({"options": {"reset_mask": [True]}}, r"options\['reset_mask'\] is \[True\]; give an array of 1 booleans"),
        ({"options": {"reset_mask": np.array([1])}}, "give an array of 1 booleans"),
        ({"options": {"reset_mask": np.array([False])}}, "is False everywhere; name at least 1 environment"),
        ({"options": {"state": [2] * 12}}, r"options\['state'\] is"),
    ],
)
def test_a_wrong_reset_is_named(arguments, message):
    with pytest.raises(SpecError, match=message):
        ChildVectorEnv([ENVIRONMENTS["decomposition"](LateTable())]).reset(**arguments)


@pytest.mark.parametrize("mode", ["nextstep", None, 5])
def test_an_unknown_mode_is_named(mode):
    with pytest.raises(SpecError, match=r"unknown autoreset_mode .*(mean 'NextStep'|choose from: Disabled, Next)"):
        ChildVectorEnv([ONE], autoreset_mode=mode)


@pytest.mark.parametrize("environment_id", ENVIRONMENT_IDS)
def test_gymnasium_makes_it(environment_id):
    evaluator = LateTable()
    env = gymnasium.make_vec(
        f"aen_envs:{environment_id}",
        num_envs=4,
        vectorization_mode="vector_entry_point",
        evaluator=evaluator,
        horizon=2,
        autoreset_mode="SameStep",
    )
    assert isinstance(env.unwrapped, ChildVectorEnv)
    assert env.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    assert (env.num_envs, env.spec.id) == (4, environment_id)
    env.reset(seed=0)
    assert len(evaluator.calls) == 1
    env.step(env.action_space.sample())
    env.close()
    assert not evaluator.closed


def test_made_bare_they_share_one_evaluator_which_is_closed_with_them():
    env = gymnasium.make_vec("aen_envs:aen/LayerwiseRelaxation-v0", num_envs=2)
    folder = env.unwrapped.evaluator.weights_folder
    env.reset()
    env.step(np.array([each.train_action for each in env.unwrapped.envs]))
    assert env.unwrapped.evaluator.trained == 2
    assert len(list(folder.iterdir())) == 2
    env.close()
    assert not folder.exists()


def test_it_needs_an_environment():
    for number, message in [(0, "num_envs is 0; it must be at least 1"), (2.5, "num_envs is 2.5, of type float, but")]:
        with pytest.raises(SpecError, match=message):
            gymnasium.make_vec("aen_envs:aen/GroupDecomposition-v0", num_envs=number)


@pytest.mark.slow
def test_workers_give_the_same_table_as_one(tmp_path):
    tables, seen = [], []
    for workers in (1, 2):
        store = ResultStore(tmp_path / f"{workers}.sqlite")
        evaluator = LocalEvaluator(store, workers=workers)
        envs = [GroupDecompositionEnv(child=quick_child(), evaluator=evaluator, horizon=3) for _ in range(4)]
        env = ChildVectorEnv(envs, autoreset_mode="SameStep")
        random = np.random.default_rng(0)
        outcomes = [env.reset(seed=0), *(env.step(random.integers(12, size=4)) for _ in range(4))]
        for outcome in outcomes:
            for info in (outcome[-1], outcome[-1].get("final_info", {})):
                info.pop("seconds", None)
        seen.append(plain(outcomes))
        found = {spec.key: replace(evaluation, seconds=0.0) for evaluation, spec in store.evaluations()}
        tables.append(found)
        assert evaluator.trained == len(found) > 8
        evaluator.close()
    assert tables[0] == tables[1]
    assert seen[0] == seen[1]
