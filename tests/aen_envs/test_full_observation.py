"""observe="full": what is known of the factors, and what the environment has met."""

import copy
import json
import math
import pickle

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.wrappers import FlattenObservation, RecordEpisodeStatistics, TimeLimit
from helpers.table_evaluators import TableEvaluator, plain
from helpers.tables import DENSE_SPACE, DENSE_TABLE, GCNN_SPACE
from stable_baselines3 import PPO
from stable_baselines3.common.env_checker import check_env as check_env_of_sb3

import aen
from aen.bench import TableEvaluator as OfTable
from aen.data import load_dataset
from aen.errors import SpecError
from aen.groups import Alphabet
from aen_envs import GCNNDesignEnv, GroupDecompositionEnv, GroupDecompositionTabularEnv

FACTORS = ("rot90", "hflip", "vflip", "swap_lr")


def dense(**arguments):
    child, alphabet = DENSE_SPACE.child, DENSE_SPACE.alphabet
    return GroupDecompositionEnv(
        **{"child": child, "alphabet": alphabet, "evaluator": OfTable(DENSE_TABLE), "observe": "full", "horizon": 8}
        | {"child_seed": 3}
        | arguments
    )


def design(**arguments):
    return GCNNDesignEnv(
        **{"space": GCNN_SPACE, "evaluator": TableEvaluator(), "observe": "full", "horizon": 8} | arguments
    )


KINDS = {
    "dense": dense,
    "design": design,
    "box": lambda **arguments: dense(observation="box", **arguments),
    "tabular": lambda **arguments: GroupDecompositionTabularEnv(
        table=DENSE_TABLE, observe="full", horizon=8, **arguments
    ),
}
kinds = pytest.mark.parametrize("make", KINDS.values(), ids=KINDS)


def test_what_is_known_of_a_factor_before_training():
    observation, _ = dense().reset()
    table = DENSE_SPACE.table
    untied = sum(table.classes[0].orbits)
    train = load_dataset(DENSE_SPACE.child.data).train
    z = [min(row.z, 10.0) for row in aen.symmetry_test(train.images, train.labels, FACTORS).rows]
    for place, (ratio, log_order, score, known) in enumerate(observation["factor_features"].tolist()):
        orbits = next(c.orbits for c in table.classes if c.key == table.key_of(1 << place))
        assert ratio == pytest.approx(sum(orbits) / untied)
        assert log_order == pytest.approx(math.log2([4, 2, 2, 2][place]))
        assert score == pytest.approx(z[place], abs=1e-4)
        assert known == 1.0


def test_a_factor_includes_those_that_it_generates():
    alphabet = Alphabet.of(["rot90", "hflip x vflip", "hflip", "rot90 x| hflip"])
    observation, _ = dense(alphabet=alphabet, evaluator=TableEvaluator()).reset()
    assert observation["inclusion"].tolist() == [[1, 0, 0, 0], [0, 1, 1, 0], [0, 0, 1, 0], [1, 1, 1, 1]]


def test_of_a_convolutional_network_each_choice_is_a_factor():
    env = design()
    observation, _ = env.reset()
    features = observation["factor_features"]
    assert features.shape == (6, 4)  # C2, C4, D4, two augmentations, the size
    assert features[:, 3].tolist() == [1, 1, 1, 0, 0, 0]
    assert features[:, 1].tolist() == [1, 2, 3, 0, 0, 0]
    assert features[3:5, 0].tolist() == [1, 1]
    assert features[5, 0] > 1
    env.step(0)  # to C2
    assert env.step(0)[0]["state"].tolist() == [2, 0, 0, 0]


def test_evidence_is_that_of_the_classes_met():
    env, random = dense(), np.random.default_rng(0)
    _, info = env.reset(seed=0)
    met, visits = {info["class_key"]: info["accuracy"]}, {info["class_key"]: 1}
    places, has = DENSE_TABLE.place_of_class, env._full.listed.class_factors
    for step in range(8):
        observation, *_, info = env.step(random.integers(4))
        met[info["class_key"]] = info["accuracy"]
        visits[info["class_key"]] = visits.get(info["class_key"], 0) + 1
        assert observation["budget"].tolist() == pytest.approx([1 - (step + 1) / 8])
        assert set(np.flatnonzero(observation["class_met"])) == {places[key] for key in met}
        for key, accuracy in met.items():
            error = math.sqrt(accuracy * (1 - accuracy) / DENSE_SPACE.child.data.validation)
            assert observation["class_evidence"][places[key]] == pytest.approx([accuracy, error, visits[key]])
        for factor, row in enumerate(observation["factor_evidence"]):
            one = [accuracy for key, accuracy in met.items() if has[places[key], factor]]
            other = [accuracy for key, accuracy in met.items() if not has[places[key], factor]]
            difference = np.mean(one) - np.mean(other) if one and other else 0.0
            error = 1.0
            if one and other and len(met) > 2:
                scatter = sum((a - np.mean(side)) ** 2 for side in (one, other) for a in side)
                error = math.sqrt(scatter / (len(met) - 2) * (1 / len(one) + 1 / len(other)))
            assert row == pytest.approx([difference, error, len(one), len(other)], abs=1e-5)
    assert len(met) > 4


def test_a_class_has_the_factors_of_all_its_states():
    listed = dense()._full.listed
    table = DENSE_SPACE.table
    for place, network_class in enumerate(table.classes):
        closed = table.closed_set(network_class)
        assert listed.class_factors[place].tolist() == [bool(closed >> factor & 1) for factor in range(4)]


@kinds
def test_evidence_outlives_an_episode_until_it_is_forgotten(make):
    env = make()
    env.reset(seed=0)
    env.step(1)
    visited = lambda observation: observation["class_evidence"][:, 2].sum()  # noqa: E731
    assert visited(env.reset()[0]) == 3
    fresh = make().reset()[0]
    for arguments in ({"seed": 1}, {"options": {"forget": True}}):
        env.step(1)
        assert plain(env.reset(**arguments)[0]) == plain(fresh)
    assert visited(env.reset(options={"forget": False})[0]) == 2
    assert env.reset(options={"forget": True})[1]["looked_up"] is False


@kinds
def test_all_else_is_as_without(make):
    ours, theirs = make(), make()
    ours.reset(seed=1)
    plainly = type(theirs)(**{**_arguments(theirs), "observe": "state"})
    first = plainly.reset(seed=1)[0]
    assert plainly.observation_space == ours.observation_space["state"]
    assert first.tolist() == ours.reset(seed=1)[0]["state"].tolist()
    for action in (0, 2, 1, 2):
        mine, other = ours.step(action), plainly.step(action)
        assert mine[0]["state"].tolist() == other[0].tolist()
        assert mine[1:] == other[1:]


def _arguments(env):
    if isinstance(env, GroupDecompositionTabularEnv):
        return {"table": env.table, "horizon": 8}
    own = {"space": env.space} if isinstance(env, GCNNDesignEnv) else {"child": env.child, "alphabet": env.alphabet}
    evaluator = TableEvaluator() if isinstance(env, GCNNDesignEnv) else env.evaluator
    seed = env.space.child.seed
    return own | {"evaluator": evaluator, "horizon": 8, "observation": env.observation, "child_seed": seed}


@pytest.mark.filterwarnings("ignore:.*has an unconventional shape")  # of SB3: its policies flatten a table of rows
@kinds
def test_checkers_wrappers_and_copies(make):
    check_env(make(), skip_render_check=True)
    check_env_of_sb3(make(), skip_render_check=True)
    flat = FlattenObservation(RecordEpisodeStatistics(TimeLimit(make(), 2)))
    assert flat.reset(seed=0)[0] in flat.observation_space
    flat.step(0)
    assert flat.step(1)[4]["episode"]["l"] == 2
    env = make()
    env.reset(seed=0)
    env.step(1)
    copies = [copy.deepcopy(env), pickle.loads(pickle.dumps(env)), make()]  # noqa: S301 - our own
    copies[2].restore(json.loads(json.dumps(env.snapshot())))
    env.step(0)
    expected = plain(env.step(2))
    for each in copies:
        each.step(0)
        assert plain(each.step(2)) == expected


def test_a_damaged_snapshot_is_named_and_changes_nothing():
    env = dense()
    env.reset(seed=0)
    env.step(1)
    whole = env.snapshot()
    for changes, message in [
        ({"places": [0, 99]}, "snapshot is damaged: evidence.places: there are"),
        ({"places": [0, 0]}, "snapshot is damaged: evidence: .*a place is there twice"),
        ({"visits": [0, 1]}, "snapshot is damaged: evidence.visits.0"),
        ({"accuracies": [0.5]}, "snapshot is damaged: evidence: .*different lengths"),
    ]:
        with pytest.raises(SpecError, match=message):
            env.restore(whole | {"evidence": whole["evidence"] | changes})
        assert env.snapshot() == whole


def test_agents_of_sb3_learn_on_it():
    env = KINDS["tabular"]()
    agent = PPO("MultiInputPolicy", env, n_steps=8, batch_size=8, n_epochs=1, seed=0, device="cpu")
    before = [parameter.detach().clone() for parameter in agent.policy.parameters()]
    agent.learn(16)
    assert agent.num_timesteps == 16
    after = list(agent.policy.parameters())
    assert any((a != b).any() for a, b in zip(before, after, strict=True))


def test_wrong_use_is_refused():
    with pytest.raises(SpecError, match="observe is 'full', which includes the symmetry test; leave observe_symmetry"):
        dense(observe_symmetry_test=True)
    with pytest.raises(SpecError, match="unknown observe 3"):
        dense(observe=3)
    with pytest.raises(SpecError, match=r"options\['forget'\] is 'yes' but must be True or False"):
        dense().reset(options={"forget": "yes"})
    shifts = [f"{name}({n})" for name in ("hshift", "vshift") for n in (1, 2, 3)]
    swaps = ("swap_tb", "swap_tb_left", "swap_tb_right", "swap_lr_top", "swap_lr_bottom")
    many = Alphabet.of([*FACTORS, "rot180", "transpose", "quadrants", *swaps, *shifts])
    with pytest.raises(SpecError, match=r"space has 262,144 states, more than the 65,536 that are listed .*fewer fact"):
        dense(alphabet=many)
