"""The environments over benchmark tables."""

import copy
import json
import pickle

import gymnasium
import numpy as np
import pytest
from helpers.table_evaluators import plain
from helpers.tables import DENSE_SPACE, DENSE_TABLE, GCNN_SPACE, GCNN_TABLE, TABULAR, drawn_table

from aen.bench import TableEvaluator
from aen.bench.files import write_table
from aen.bench.suites import definition
from aen.errors import SpecError, TableError
from aen_envs import TABULAR_IDS

each = pytest.mark.parametrize("environment_id", TABULAR_IDS)
ADDED = {"regret", "best_regret", "total_seconds"}


def make(environment_id, **arguments):
    return gymnasium.make(f"aen_envs:{environment_id}", **(TABULAR[environment_id] | arguments))


def walk(env, actions):
    found = [env.reset(seed=1)]
    for action in actions:
        found.append(env.step(action))
        if found[-1][2] or found[-1][3]:
            found.append(env.reset())
    return found


def actions_of(env, number=60):
    return np.random.default_rng(4).integers(env.action_space.n, size=number)


@each
@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"reward": "paper", "stop_action": True, "observation": "box", "child_seed": 5, "horizon": 7},
        {"reward": "improvement", "noise": "mean", "epoch": 1, "horizon": 5},
    ],
    ids=["bare", "seed", "mean"],
)
def test_it_gives_what_the_trained_environment_would(environment_id, arguments):
    ours = make(environment_id, **arguments)
    looked_up = {name: arguments[name] for name in ("noise", "epoch") if name in arguments}
    others = {name: value for name, value in arguments.items() if name not in looked_up}
    table = TABULAR[environment_id]["table"]
    space = table.definition.space
    own = {"child": space.child, "alphabet": space.alphabet} if space is DENSE_SPACE else {"space": space}
    theirs = gymnasium.make(
        environment_id.replace("Tabular", ""),
        evaluator=TableEvaluator(table, **looked_up),
        **{"child_seed": 3} | own | others,
    )
    assert ours.observation_space == theirs.observation_space
    assert ours.action_space == theirs.action_space
    assert ours.unwrapped.action_names == theirs.unwrapped.action_names
    actions = actions_of(ours)
    for (*first, info), (*second, expected) in zip(walk(ours, actions), walk(theirs, actions), strict=True):
        assert plain(first) == plain(second)
        assert info.keys() - expected.keys() == ADDED
        assert {name: info[name] for name in expected} == expected


@each
def test_regret_and_seconds_are_those_of_the_table(environment_id):
    env = make(environment_id, horizon=6)
    table = TABULAR[environment_id]["table"]
    means = table.results["validation_accuracy"][:, :, -1].mean(axis=1)
    seconds = dict(zip(table.place_of_class, table.results["seconds"][:, 0, -1], strict=True))
    accuracy = dict(zip(table.place_of_class, table.accuracy[:, 0], strict=True))
    met = {env.reset(seed=0)[1]["class_key"]}
    for action in actions_of(env):
        *_, ended, info = env.step(action)
        met.add(info["class_key"])
        assert info["regret"] == pytest.approx(means.max() - means[table.place_of_class[info["class_key"]]])
        best = max(accuracy[key] for key in met)
        named = {float(table.regret[table.place_of_class[key]]) for key in met if accuracy[key] == best}
        assert info["best_regret"] in named
        assert info["total_seconds"] == pytest.approx(sum(seconds[key] for key in met), abs=1e-4)
        if ended:
            env.reset()
    assert len(met) > 5
    assert env.reset(options={"forget": True})[1]["total_seconds"] == pytest.approx(
        seconds[env.reset()[1]["class_key"]]
    )


def test_a_start_elsewhere_needs_the_reference_too():
    env = make("aen/GCNNDesignTabular-v0", reference="rot90")
    info = env.reset(seed=0)[1]
    places = [
        GCNN_TABLE.place_of([0] * len(GCNN_SPACE.sizes)),
        GCNN_TABLE.place_of([2] + [0] * (len(GCNN_SPACE.sizes) - 1)),
    ]
    assert info["total_seconds"] == pytest.approx(GCNN_TABLE.results["seconds"][places, 0, -1].sum())
    assert info["baseline_accuracy"] == GCNN_TABLE.accuracy[places[1], 0]


@each
def test_a_snapshot_goes_on_as_if_nothing_had_happened(environment_id):
    env = make(environment_id, horizon=50)
    walk(env, actions_of(env, 9))
    other = make(environment_id, horizon=50)
    other.reset()
    other.unwrapped.restore(json.loads(json.dumps(env.unwrapped.snapshot())))
    copied, sent = copy.deepcopy(env), pickle.loads(pickle.dumps(env))  # noqa: S301 - our own
    assert copied.unwrapped.table is env.unwrapped.table
    for action in actions_of(env, 12):
        expected = plain(env.step(action))
        for each in (other, copied, sent):
            assert plain(each.step(action)) == expected


def test_a_snapshot_of_another_table_is_refused():
    env = make(TABULAR_IDS[0])
    env.reset()
    other = make(TABULAR_IDS[0], table=drawn_table(name="other"))
    other.reset()
    with pytest.raises(SpecError, match="snapshot is of an environment with table 'drawn' instead of 'other'"):
        other.unwrapped.restore(env.unwrapped.snapshot())


def test_a_name_is_looked_up_in_a_folder(tmp_path):
    named = definition("digits-01")
    table = drawn_table(named.space, name="digits-01", seeds=named.seeds)
    write_table(table, tmp_path / "digits-01.parquet")
    env = make(TABULAR_IDS[0], table="digits-01", folder=tmp_path)
    assert env.reset()[1]["accuracy"] == pytest.approx(table.query([0] * 12, seed=0).validation_accuracy, abs=1e-6)
    again = gymnasium.make(type(env.spec).from_json(env.spec.to_json()))
    assert again.reset()[1] == env.reset(seed=0)[1]
    with pytest.raises(TableError, match="table digits-02 is not in"):
        make(TABULAR_IDS[0], table="digits-02", folder=tmp_path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"table": None}, "table is None but must be the name of a table, such as 'digits-04', or a Table"),
        ({"table": "digit-01"}, r"unknown table 'digit-01' \(did you mean 'digits-01'\?\)"),
        ({"table": 5}, "table is 5, of type int, but must be the name of a table"),
        ({"table": "digits-01", "folder": 5}, "folder is 5, of type int, but must be a path"),
        ({"folder": "here"}, "folder is 'here' but table is no name; leave folder out"),
        (
            {"table": GCNN_TABLE},
            "table drawn is of a GCNNSpace, but .* needs a DecompositionSpace; use aen/GCNNDesignT",
        ),
        ({"child_seed": 4}, "seed is 4; table drawn has 3, 5"),
        ({"child_seed": "4"}, "child_seed is '4' but must be a whole number"),
        ({"epoch": 3}, "epoch is 3; table drawn has 1, 2"),
        ({"epoch": 1.5}, "epoch is 1.5, of type float, but must be a whole number"),
        ({"noise": "sed"}, r"unknown noise 'sed' \(did you mean 'seed'\?\)"),
        ({"alphabet": "quarter"}, "alphabet is 'quarter' but GroupDecompositionTabularEnv has no argument 'alphabet'"),
        ({"observe": "ful"}, r"unknown observe 'ful' \(did you mean 'full'\?\)"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises((SpecError, TableError), match=message):
        make(TABULAR_IDS[0], **arguments)


def test_a_state_of_the_wrong_length_is_named():
    with pytest.raises(SpecError, match=r"options\['state'\] is \[0, 0, 1\]; give 4 values of 0 or 1"):
        make(TABULAR_IDS[0]).reset(options={"state": [0, 0, 1]})


def test_a_class_that_is_not_in_the_table_is_named_and_nothing_moves():
    keys = tuple(c.key for c in DENSE_TABLE.definition.classes)
    env = make(TABULAR_IDS[0], table=drawn_table(class_keys=keys[:1]))
    env.reset()
    before = env.unwrapped.snapshot()
    with pytest.raises(TableError, match=r"table drawn has no class \w+ \(rot90\)"):
        env.step(0)
    assert env.unwrapped.snapshot() == before
