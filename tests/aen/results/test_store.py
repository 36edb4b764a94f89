import json
import os
import pickle
import time
from dataclasses import fields, replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aen._processes import process_start, this_machine
from aen.errors import StoreError
from aen.results import Evaluation
from aen.results.leases import process_of
from aen.results.store import Claim

FRACTION = st.floats(0, 1)
LOSS = st.floats(-1e300, 1e300)
COUNT = st.integers(0, 2**31 - 1)
TEXT = st.characters(exclude_categories=["Cs"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | LOSS | st.text(TEXT, max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(TEXT, max_size=3), inner, max_size=3),
    max_leaves=6,
)
FIELDS = st.fixed_dictionaries(
    {
        "status": st.sampled_from(["ok", "diverged"]),
        "train_loss": LOSS,
        "train_accuracy": FRACTION,
        "validation_loss": LOSS,
        "validation_accuracy": FRACTION,
        "parameters": st.integers(0, 2**63 - 1),
        "epochs": st.one_of(COUNT, st.floats(1e-300, 1e300)),
        "seconds": st.floats(0, 1e9),
        "device": st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=100),
        "threads": COUNT,
        "weights": st.none() | st.just("0123.safetensors"),
        "record": st.none() | st.dictionaries(st.text(TEXT, max_size=5), JSON, max_size=3),
    }
)


def test_get_returns_every_field_that_was_committed(store, spec, invent):
    evaluation = invent(spec)
    store.commit(evaluation, spec)
    stored = store.get(spec.key)
    for field in fields(Evaluation):
        if field.name != "looked_up":
            assert getattr(stored, field.name) == getattr(evaluation, field.name), field.name
    assert stored.looked_up
    assert not evaluation.looked_up


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**63 - 1), changes=FIELDS)
def test_any_evaluation_survives_the_store_unchanged(store, spec, invent, seed, changes):
    with store._engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM evaluations")
    spec = spec.with_seed(seed)
    evaluation = invent(spec, **changes)
    store.commit(evaluation, spec)
    assert store.get(spec.key) == evaluation
    assert list(store.evaluations()) == [(evaluation, spec)]


@pytest.mark.parametrize("record", [None, {}, {"alphas": [[0.1 + 0.2, -2.0], []], "temperature": 5e-324, "ok": True}])
def test_a_record_survives_the_store(open_store, spec, invent, record, sql):
    open_store().commit(invent(spec, record=record, epochs=0.2), spec)
    with open_store(create=False) as again:
        stored = again.get(spec.key)
    assert stored.record == record
    assert type(stored.record) is type(record)
    assert stored.epochs == 0.2
    assert stored == invent(spec, record=record, epochs=0.2)
    assert hash(stored) == hash(invent(spec, record=record, epochs=0.2))
    ((text,),) = sql("SELECT record FROM evaluations")
    assert text is None if record is None else json.loads(text) == record


@pytest.mark.parametrize("text", ["[1]", "5", '"text"'])
def test_a_record_that_is_none_is_damaged(store, spec, invent, sql, text):
    store.commit(invent(spec, record={"a": 1}), spec)
    sql("UPDATE evaluations SET record = ?", text)
    with pytest.raises(StoreError, match=f"'record' of row '{spec.key}' is damaged"):
        store.get(spec.key)


def test_an_unknown_key_has_no_evaluation(store, spec, invent):
    store.commit(invent(spec), spec)
    assert store.get("0" * 24) is None


def test_evaluations_come_with_their_specs_in_the_order_of_keys(store, specs, invent):
    in_order = sorted(specs, key=lambda spec: spec.key)
    for spec in reversed(in_order):
        store.commit(invent(spec), spec)
    assert [(e.key, s) for e, s in store.evaluations()] == [(spec.key, spec) for spec in in_order]


def test_results_are_there_when_the_store_is_opened_again(open_store, spec, invent):
    first = open_store()
    first.commit(invent(spec), spec)
    first.close()
    assert open_store(create=False).get(spec.key) == invent(spec)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("spec", "{}"),
        ("spec", "{bad"),
        ("spec", '{"data": 5}'),
        ("validation_accuracy", "high"),
        ("weights", "../outside.safetensors"),
    ],
)
def test_a_damaged_row_is_named(store, spec, invent, sql, column, value):
    store.commit(invent(spec), spec)
    sql(f"UPDATE evaluations SET {column} = '{value}'")
    with pytest.raises(StoreError, match=f"{column!r} of row '{spec.key}' is damaged"):
        list(store.evaluations())


def test_a_reader_does_not_wait_for_a_writer(open_store, spec, invent):
    store, reader = open_store(), open_store()
    store.commit(invent(spec), spec)
    with store._begin() as writing:
        assert writing.in_transaction()
        started = time.monotonic()
        assert reader.get(spec.key) == invent(spec)
        assert time.monotonic() - started < 5


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_is_another_owner(store, spec, sql):
    assert store.claim(spec.key).mine
    code = _in_a_fork(lambda: (store.claim(spec.key).mine, store.release(spec.key)))
    assert code == "(False, None)"
    assert sql("SELECT owner FROM leases") == [(store.owner,)]


def _in_a_fork(function):
    out, into = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(into, repr(function()).encode())
        os._exit(0)
    os.waitpid(pid, 0)
    os.close(into)
    with os.fdopen(out) as file:
        return file.read()


def test_the_first_result_of_a_key_stays(store, spec, invent):
    store.commit(invent(spec, weights=None), spec)
    store.commit(invent(spec, weights=None, validation_accuracy=0.1, seconds=99.0), spec)
    assert store.get(spec.key) == invent(spec, weights=None)


def test_weights_are_attached_to_the_first_result_and_change_nothing_else(store, spec, invent):
    store.commit(invent(spec, weights=None), spec)
    store.commit(invent(spec, weights="late.safetensors", validation_accuracy=0.1), spec)
    assert store.get(spec.key) == invent(spec, weights="late.safetensors")


def test_attaching_weights_leaves_other_results_alone(store, specs, invent):
    for spec in specs:
        store.commit(invent(spec, weights=None), spec)
    store.commit(invent(specs[2], weights="late.safetensors"), specs[2])
    weights = {s.seed: e.weights for e, s in store.evaluations()}
    assert weights == {0: None, 1: None, 2: "late.safetensors", 3: None, 4: None}


def test_a_later_result_without_weights_does_not_forget_them(store, spec, invent):
    store.commit(invent(spec, weights="early.safetensors"), spec)
    store.commit(invent(spec, weights=None), spec)
    assert store.get(spec.key).weights == "early.safetensors"


def test_a_result_that_the_database_refuses_is_an_error_and_not_forgotten_silently(store, spec, invent):
    # SQLite keeps NaN as NULL, which no column of figures allows.
    with pytest.raises(StoreError, match="result store"):
        store.commit(invent(spec, validation_loss=float("nan")), spec)
    assert store.get(spec.key) is None


def test_the_first_claim_is_mine_and_the_second_is_somebody_elses(open_store, spec):
    ours, theirs = open_store(), open_store()
    assert ours.claim(spec.key) == Claim(None, mine=True)
    assert theirs.claim(spec.key) == Claim(None, mine=False)
    assert theirs.claim("0" * 24).mine


def test_a_claim_on_a_stored_key_hands_the_result_over_and_leaves_no_lease(open_store, spec, invent, sql):
    open_store().commit(invent(spec), spec)
    assert open_store().claim(spec.key) == Claim(invent(spec), mine=False)
    assert sql("SELECT count(*) FROM leases") == [(0,)]


def test_commit_ends_the_lease(open_store, spec, invent, sql):
    store = open_store()
    store.claim(spec.key)
    store.claim("0" * 24)
    store.commit(invent(spec), spec)
    assert sql("SELECT key FROM leases") == [("0" * 24,)]


def test_a_released_lease_can_be_claimed_by_another(open_store, spec):
    ours, theirs = open_store(), open_store()
    ours.claim(spec.key)
    ours.release(spec.key)
    assert theirs.claim(spec.key).mine


def test_nobody_can_release_or_end_the_lease_of_another(open_store, spec, invent, sql):
    ours, theirs, third = open_store(), open_store(), open_store()
    ours.claim(spec.key)
    theirs.release(spec.key)
    assert not third.claim(spec.key).mine
    theirs.commit(invent(spec), spec)
    assert sql("SELECT owner FROM leases") == [(ours.owner,)]
    assert third.claim(spec.key).evaluation == invent(spec)


def test_a_lease_without_heartbeat_is_taken_over(open_store, spec):
    dead, heir, third = open_store(lease_seconds=0.3), open_store(lease_seconds=0.3), open_store(lease_seconds=60)
    dead.claim(spec.key)
    dead.close()
    assert not third.claim(spec.key).mine
    assert not heir.claim(spec.key).mine
    time.sleep(0.6)
    assert heir.claim(spec.key).mine
    assert not third.claim(spec.key).mine
    dead.release(spec.key)
    assert not third.claim(spec.key).mine


def test_the_lease_of_a_living_process_of_this_machine_is_left_alone(open_store, spec, sql):
    open_store().claim(spec.key)
    parent = f"{this_machine()} {os.getppid()} {process_start(os.getppid())} 0123abcd"
    sql("UPDATE leases SET owner = ?", parent)
    assert process_of(parent).is_alive()
    assert not open_store().claim(spec.key).mine


def test_a_lease_with_a_heartbeat_outlives_its_seconds(open_store, spec):
    living, other = open_store(lease_seconds=1.0), open_store(lease_seconds=1.0)
    living.claim(spec.key)
    time.sleep(2.5)
    assert other.claim(spec.key) == Claim(None, mine=False)


def test_a_store_that_was_closed_beats_again_with_its_next_claim(open_store, spec):
    living, other = open_store(lease_seconds=1.0), open_store(lease_seconds=1.0)
    living.claim("0" * 24)
    living.close()
    living.claim(spec.key)
    time.sleep(2.5)
    assert not other.claim(spec.key).mine


def test_the_heart_beats_for_the_owners_leases_only(open_store, specs, sql):
    living, dead = open_store(lease_seconds=0.4), open_store(lease_seconds=0.4)
    dead.claim(specs[1].key)
    dead.close()
    before = dict(sql("SELECT key, heartbeat FROM leases"))
    living.claim(specs[0].key)
    time.sleep(0.5)
    after = dict(sql("SELECT key, heartbeat FROM leases"))
    assert after[specs[1].key] == before[specs[1].key]
    assert after[specs[0].key] > before[specs[1].key] + 0.2


def test_a_pickled_store_is_another_owner_of_the_same_results(open_store, spec, invent):
    store = open_store(lease_seconds=12.5)
    store.commit(invent(spec), spec)
    with pickle.loads(pickle.dumps(store)) as copy:  # noqa: S301 - our own bytes
        assert copy.get(spec.key) == invent(spec)
        assert copy.owner != store.owner
        assert copy.lease_seconds == store.lease_seconds
        store.claim("0" * 24)
        assert not copy.claim("0" * 24).mine


def test_looking_up_says_nothing_about_the_outcome(spec, invent):
    assert replace(invent(spec), looked_up=True) == invent(spec)
