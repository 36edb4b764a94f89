"""Many rows in one call: the same as one by one, and in one transaction."""

import time
from collections import Counter
from dataclasses import replace

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aen._processes import this_machine
from aen.errors import StoreError
from aen.results.database import EVALUATIONS, LEASES
from aen.results.leases import LeaseWatch
from aen.results.rows import MOST_KEYS
from aen.results.store import Claim

KEYS = [f"{number:02d}" * 12 for number in range(6)]
WHO = ("nobody", "self", "other", "silent", "died")
RESULTS = st.tuples(
    st.sampled_from(KEYS), st.sampled_from(["ok", "diverged", "failed"]), st.sampled_from([None, "a.st", "b.st"])
)
SETTINGS = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
asked = st.lists(st.sampled_from(KEYS), max_size=9)
committed = st.lists(RESULTS, max_size=6)


@pytest.fixture
def pair(open_store, tmp_path):
    """Two stores that are brought into the same state: for calls with many keys, and for calls with one."""
    # No heart beats while a test lasts: it would revive silent leases.
    stores = [open_store(tmp_path / name, lease_seconds=800) for name in ("bulk.sqlite", "single.sqlite")]
    for store in stores:
        # Waiting for the disk would take most of the time.
        sa.event.listen(store._engine, "connect", lambda raw, _: raw.execute("PRAGMA synchronous=OFF"))
        store._engine.dispose()
    return stores


def owners(store):
    return {
        "self": store.owner,
        "other": f"elsewhere/1:{1}:0000",
        "silent": "elsewhere/1:2:0000",
        "died": f"{this_machine()} 999999999 1 0000",
    }


def bring(store, leases, results, spec, invent):
    """Empty the tables, and fill them."""
    now = time.time()
    with store._engine.begin() as connection:
        connection.execute(EVALUATIONS.delete())
        connection.execute(LEASES.delete())
        for key, who in leases.items():
            if who != "nobody":
                heartbeat = now - 1000 * (who == "silent")
                connection.execute(LEASES.insert().values(key=key, owner=owners(store)[who], heartbeat=heartbeat))
    # It has watched for longer than a lease, and the heartbeats of the silent one are those of then.
    store._watch = LeaseWatch(store.lease_seconds)
    store._watch._watched = 1000.0
    store._watch._seen[owners(store)["silent"]] = {now - 1000}, 0.0
    for number, (key, status, weights) in enumerate(results):
        store.commit(invented(invent, spec, number, key, status, weights), spec)


def invented(invent, spec, number, key, status, weights):
    return invent(spec, key=key, status=status, weights=weights, validation_loss=float(number))


def state(store):
    """What is in the tables; of a heartbeat, whether it is of now."""
    names = {owner: who for who, owner in owners(store).items()}
    with store._engine.begin() as connection:
        leases = {
            row.key: (names[row.owner], row.heartbeat > time.time() - 500)
            for row in connection.execute(sa.select(LEASES))
        }
        rows = connection.execute(sa.select(EVALUATIONS).order_by(EVALUATIONS.c.key)).mappings().all()
    return leases, [{**row, "finished_at": 0} for row in rows]


@SETTINGS
@given(
    leases=st.fixed_dictionaries(dict.fromkeys(KEYS, st.sampled_from(WHO))),
    stored=committed,
    keys=asked,
    released=asked,
    results=committed,
)
def test_many_at_once_are_as_one_by_one(pair, spec, invent, leases, stored, keys, released, results):
    bulk, single = pair
    for store in pair:
        bring(store, leases, stored, spec, invent)
    assert bulk.get_many(keys) == {key: single.get(key) for key in keys if single.get(key) is not None}
    once = list(dict.fromkeys(keys))
    claims = bulk.claim_many(keys)
    assert list(claims) == once
    assert claims == {key: single.claim(key) for key in once}
    assert state(bulk) == state(single)
    bulk.release_many(released)
    for key in released:
        single.release(key)
    assert state(bulk) == state(single)
    offered = [invented(invent, spec, 100 + number, *result) for number, result in enumerate(results)]
    bulk.commit_many([(evaluation, spec) for evaluation in offered])
    for evaluation in offered:
        single.commit(evaluation, spec)
    assert state(bulk) == state(single)


def test_more_keys_than_a_statement_takes(store, invent, spec):
    keys = [f"{number:024d}" for number in range(2 * MOST_KEYS + 3)]
    claims = store.claim_many(keys)
    assert list(claims.values()) == [Claim(None, mine=True)] * len(keys)
    results = [(invent(spec, key=key, seed=number), spec) for number, key in enumerate(keys)]
    store.commit_many(results)
    assert list(store.get_many(keys).items()) == [(e.key, e) for e, _ in results]
    assert list(store.evaluations()) == results
    assert list(store.outcomes()) == [e for e, _ in results]
    assert {claim.mine for claim in store.claim_many(keys).values()} == {False}
    assert store.count() == len(keys)


def test_nothing_asked_is_nothing_done(store, sql):
    assert store.get_many([]) == store.claim_many([]) == {}
    store.commit_many([])
    store.release_many([])
    assert sql("SELECT (SELECT count(*) FROM leases) + (SELECT count(*) FROM evaluations)") == [(0,)]


def statements(store):
    """Count what is sent to the database from now on, by its first word."""
    sent = Counter()
    sa.event.listen(
        store._engine, "before_cursor_execute", lambda *words: sent.update([str(words[2]).split(maxsplit=1)[0]])
    )
    sa.event.listen(store._engine, "commit", lambda _: sent.update(["COMMIT"]))
    return sent


def test_a_call_is_one_transaction_of_few_statements(store, invent, specs):
    sent = statements(store)
    store.claim_many([spec.key for spec in specs])
    assert sent["COMMIT"] == 1
    assert sent["INSERT"] == 1
    sent.clear()
    store.commit_many([(invent(spec), spec) for spec in specs])
    assert (sent["COMMIT"], sent["INSERT"], sent["DELETE"]) == (1, 1, 1)
    sent.clear()
    store.release_many([spec.key for spec in specs])
    assert (sent["COMMIT"], sent["DELETE"]) == (1, 1)


def test_what_the_database_refuses_costs_no_other_result(store, invent, specs, sql):
    store.claim_many([spec.key for spec in specs])
    results = [(invent(spec), spec) for spec in specs]
    bad = results[2][0]
    # SQLite keeps NaN as NULL, which no column of figures allows.
    results[2] = (replace(bad, validation_loss=float("nan")), specs[2])
    with pytest.raises(StoreError, match=f"refuses the result {bad.key}"):
        store.commit_many(results)
    assert {e.key for e in store.outcomes()} == {spec.key for spec in specs} - {bad.key}
    assert sql("SELECT key FROM leases") == [(bad.key,)]


def test_a_number_that_no_column_holds_is_refused(store, invent, spec):
    with pytest.raises(StoreError, match=f"refuses the result {spec.key}.*too large"):
        store.commit(invent(spec, parameters=2**70), spec)
    assert store.count() == 0


def test_a_result_takes_the_place_of_a_failure(store, invent, spec):
    failure = {"failure": {"kind": "died", "tries": 3, "traceback": "..."}}
    failed = invent(spec, status="failed", record=failure, weights=None, parameters=0)
    store.commit(failed, spec)
    assert store.get(spec.key) == failed
    assert store.claim(spec.key) == Claim(failed, mine=False)
    store.commit(replace(failed, record=None), spec)
    assert store.get(spec.key) == failed, "the first failure stays"
    found = invent(spec, status="diverged", weights=None)
    store.commit(found, spec)
    assert store.get(spec.key) == found
    store.commit(replace(failed, weights="late.safetensors"), spec)
    assert store.get(spec.key) == found, "a failure changes no result"
    store.commit(invent(spec, weights=None), spec)
    assert store.get(spec.key) == found, "the first result stays"


def test_failures_are_forgotten_on_request(store, invent, specs):
    for spec, status in zip(specs, ["failed", "ok", "failed", "diverged", "ok"], strict=True):
        store.commit(invent(spec, status=status), spec)
    assert store.statuses() == {"diverged": 1, "failed": 2, "ok": 2}
    assert (store.count(), store.count("failed"), store.count("ok")) == (5, 2, 2)
    assert store.forget_failed() == 2
    assert store.statuses() == {"diverged": 1, "ok": 2}
    assert store.count("failed") == 0
    assert store.claim(specs[0].key) == Claim(None, mine=True)
    assert store.forget_failed() == 0


def test_an_empty_store_has_no_statuses(store):
    assert store.statuses() == {}
    assert store.count() == 0


def test_reading_outcomes_reads_no_specs(store, invent, specs, sql):
    store.commit_many([(invent(spec), spec) for spec in specs])
    sql("UPDATE evaluations SET spec = 'bad'")
    assert len(list(store.outcomes())) == len(store.get_many([spec.key for spec in specs])) == len(specs)
    assert all(claim.evaluation for claim in store.claim_many([spec.key for spec in specs]).values())
    with pytest.raises(StoreError, match="'spec' of row"):
        next(store.evaluations())
