"""snapshot and restore: an episode goes on elsewhere."""

import copy
import json

import numpy as np
import pytest
from helpers.table_evaluators import ENVIRONMENTS, EQUINAS, LateTable, TableEvaluator, draw_action, plain
from hypothesis import given, settings
from hypothesis import strategies as st

from aen.children import DenseSpec
from aen.errors import SpecError
from aen.evaluators import LocalEvaluator
from aen_envs import LayerwiseRelaxationEnv


def walked(kind, *, seed=1, steps=2):
    env = ENVIRONMENTS[kind](LateTable())
    random = np.random.default_rng(seed)
    env.reset(seed=seed)
    for _ in range(steps):
        env.step(draw_action(env, random))
    return env


def episode(env):
    """A snapshot without what is the evaluator's business: whether it had the present child already."""
    snapshot = env.snapshot()
    snapshot.get("evaluation", {}).pop("looked_up", None)
    return snapshot


@settings(max_examples=30)
@given(
    kind=st.sampled_from(sorted(ENVIRONMENTS)),
    seed=st.integers(0, 2**32 - 1),
    seeded=st.booleans(),
    steps=st.integers(0, 7),
    more=st.integers(1, 6),
)
def test_a_restored_environment_goes_on_as_the_other_would(kind, seed, seeded, steps, more):
    random = np.random.default_rng(seed)
    ours = ENVIRONMENTS[kind](LateTable())
    ours.reset(seed=seed if seeded else None)
    if seeded:
        ours.np_random.random(3)
    for _ in range(steps):
        *_, terminated, truncated, _ = ours.step(draw_action(ours, random))
        if terminated or truncated:
            ours.reset()
    text = json.dumps(ours.snapshot())
    theirs = ENVIRONMENTS[kind](LateTable())
    theirs.restore(json.loads(text))
    assert theirs.snapshot() == json.loads(text)
    for _ in range(more):
        action = draw_action(ours, random)
        outcome = ours.step(action)
        assert plain(outcome) == plain(theirs.step(action))
        if outcome[2] or outcome[3]:
            assert plain(ours.reset()) == plain(theirs.reset())
    assert episode(ours) == episode(theirs)
    if seeded:
        assert ours.np_random.random(5).tolist() == theirs.np_random.random(5).tolist()
        assert ours.np_random_seed == theirs.np_random_seed == seed


@pytest.mark.parametrize("kind", ENVIRONMENTS)
def test_a_snapshot_is_json_and_no_part_of_the_environment(kind):
    env = walked(kind)
    snapshot = env.snapshot()
    assert json.loads(json.dumps(snapshot)) == snapshot
    assert snapshot["met"] == sorted(snapshot["met"])
    kept = copy.deepcopy(snapshot)
    env.restore(snapshot)
    env.step(0)
    assert snapshot == kept
    env.restore(kept)
    assert env.snapshot() == kept


def places(value, path=()):
    """Every place of a JSON value, and what is there."""
    yield path, value
    for name, content in value.items() if isinstance(value, dict) else enumerate(value) if type(value) is list else ():
        yield from places(content, (*path, name))


# What may be otherwise in a snapshot that is none the worse: a walk without a seed or one further on in its random
# numbers, names that were met, figures of the present child that no step depends on.
FREE = {
    *("random", "seed", "state", "inc", "has_uint32", "uinteger", "met", "steps", "baseline", "accuracies"),
    *("start_parameters", "class_key", "status", "train_loss", "train_accuracy", "validation_loss", "parameters"),
    *("epochs", "seconds", "device", "threads", "population", "weights", "record", "looked_up"),
}


def changed(value, path, content):
    value = copy.deepcopy(value)
    inner = value
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = content
    return value


@pytest.mark.parametrize("kind", ENVIRONMENTS)
@pytest.mark.parametrize("wrong", [None, "x", -1, 1.5, float("nan"), [], {}, {"a": 1}, object, 10**30, True], ids=str)
def test_bad_content_is_refused_and_changes_nothing(kind, wrong):
    env, good = walked(kind), walked(kind, seed=3).snapshot()
    before = env.snapshot()
    accepted = []
    for path, content in list(places(good))[1:]:
        if content == wrong:
            continue
        try:
            env.restore(changed(good, path, wrong))
        except SpecError:
            assert env.snapshot() == before
        else:
            accepted.append(path)
            env.step(env.action_space.n - 1)
            env.restore(before)
    assert {next(name for name in reversed(path) if isinstance(name, str)) for path in accepted} <= FREE


@pytest.mark.parametrize("kind", ENVIRONMENTS)
@pytest.mark.parametrize("missing", ["version", "environment", "state", "steps", "baseline", "accuracies", "met"])
def test_a_snapshot_with_a_part_missing_or_too_many_is_refused(kind, missing):
    env = walked(kind)
    snapshot = env.snapshot()
    with pytest.raises(SpecError, match=f"snapshot is damaged: {missing}: Field required; take a new one"):
        env.restore({name: content for name, content in snapshot.items() if name != missing})
    with pytest.raises(SpecError, match="snapshot is damaged: extra: Extra inputs are not permitted"):
        env.restore(snapshot | {"extra": missing})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 2}, "snapshot has version 2, but this program reads 1; take a new one"),
        ({"steps": 3}, "there are 3 accuracies after 3 steps"),
        ({"state": [0] * 11}, r"snapshot\['state'\] is \[0.*; give 12 values of 0 or 1"),
        ({"state": [2] + [0] * 11}, r"snapshot\['state'\] is \[2.*; give 12 values of 0 or 1"),
        ({"accuracies": [0.5, 0.5, 1.5]}, r"damaged: accuracies\.2: Input should be less than or equal to 1"),
        ({"met": [1]}, r"damaged: met\.0: Input should be a valid string"),
    ],
)
def test_what_is_wrong_is_named(change, message):
    env = walked("decomposition")
    with pytest.raises(SpecError, match=message):
        env.restore(env.snapshot() | change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"used": 1}, "1 slices in 2 steps have 3 accuracies"),
        ({"steps": 1}, "2 slices in 1 steps have 3 accuracies"),
        ({"baseline": 0.5}, "accuracies begin and end with others than"),
        ({"state": [0] * 9}, r"spec and evaluation are not those of state \[0"),
        ({"state": [0] * 8 + [3]}, r"snapshot\['state'\] is .*; give 9 numbers"),
    ],
)
def test_what_is_wrong_with_relaxations_is_named(change, message):
    env = ENVIRONMENTS["relaxation"](LateTable())
    env.reset()
    env.step(env.action_of(8, "C4"))
    env.step(env.train_action)
    with pytest.raises(SpecError, match=message):
        env.restore(env.snapshot() | change)
    spec = env.snapshot()["spec"]
    for parent in (None, "../../secret", 7):
        with pytest.raises(SpecError, match=r"parent is|spec and evaluation are not those"):
            env.restore(env.snapshot() | {"spec": spec | {"parent": parent}})


@pytest.mark.parametrize("value", [None, [], "x", 3, {}])
def test_what_is_no_snapshot_is_refused(value):
    with pytest.raises(SpecError, match="snapshot is damaged"):
        walked("decomposition").restore(value)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"horizon": 9}, "snapshot is of an environment with horizon 4 instead of 9; make this one with the same"),
        ({"reward": "paper"}, "reward 'delta' instead of 'paper'"),
        ({"alphabet": ["rot90", "hflip"]}, "choices .*, sizes .* instead of"),
        ({"stop_action": False}, "stop_action True instead of False"),
        ({"child_seed": 1}, "reference '[0-9a-f]{24}' instead of"),
        ({"child": DenseSpec(grids=(4, 8))}, "reference"),
    ],
)
def test_a_snapshot_of_another_environment_is_refused(other, message):
    snapshot = walked("decomposition").snapshot()
    with pytest.raises(SpecError, match=message):
        ENVIRONMENTS["decomposition"](TableEvaluator(), **other).restore(snapshot)


def test_a_snapshot_of_another_kind_of_environment_is_refused():
    for kind in ENVIRONMENTS:
        for other in set(ENVIRONMENTS) - {kind}:
            with pytest.raises(SpecError, match="make this one with the same arguments"):
                walked(other).restore(walked(kind).snapshot())


def test_a_snapshot_needs_an_episode():
    with pytest.raises(SpecError, match="snapshot was called before reset; call reset first"):
        ENVIRONMENTS["decomposition"](TableEvaluator()).snapshot()


def test_a_source_of_random_numbers_of_another_kind_is_named():
    env = walked("decomposition")
    env.np_random = np.random.Generator(np.random.MT19937(0))
    with pytest.raises(SpecError, match="np_random has the bit generator MT19937, but only PCG64 can be saved"):
        env.snapshot()


@pytest.mark.slow
def test_a_relaxation_goes_on_from_its_weights_elsewhere(tmp_path):
    ours = LayerwiseRelaxationEnv(child=EQUINAS, evaluator=LocalEvaluator(weights_folder=tmp_path), slices=4)
    ours.reset()
    ours.step(ours.action_of(8, "C4"))
    snapshot = json.loads(json.dumps(ours.snapshot()))
    theirs = LayerwiseRelaxationEnv(child=EQUINAS, evaluator=LocalEvaluator(weights_folder=tmp_path), slices=4)
    theirs.restore(snapshot)
    first, second = ours.step(ours.action_of(7, "C4")), theirs.step(theirs.action_of(7, "C4"))
    assert first[0].tolist() == second[0].tolist()
    assert first[1:4] == second[1:4]
    assert theirs.evaluator.trained == 1
    elsewhere = tmp_path / "other"
    elsewhere.mkdir()
    lost = LayerwiseRelaxationEnv(child=EQUINAS, evaluator=LocalEvaluator(weights_folder=elsewhere), slices=4)
    with pytest.raises(SpecError, match=r"weights of the snapshot's state, .* are not in .*other; give the evaluator"):
        lost.restore(snapshot)
    with pytest.raises(SpecError, match="are not in"):
        theirs.restore(snapshot | {"evaluation": snapshot["evaluation"] | {"weights": "../x"}})
