"""The store on a PostgreSQL server, where AEN_POSTGRESQL names one (a URL) that these tests may empty."""

import concurrent.futures
import multiprocessing
import os
import random
from dataclasses import replace

import pytest
import sqlalchemy as sa

from aen._processes import this_machine
from aen.errors import StoreError
from aen.results.database import EVALUATIONS, INFO, LEASES
from aen.results.store import Claim, ResultStore

URL = os.environ.get("AEN_POSTGRESQL", "")
pytestmark = pytest.mark.skipif(not URL, reason="AEN_POSTGRESQL names no server")
KEYS = [f"{number:024d}" for number in range(1200)]


@pytest.fixture
def two(open_store):
    """Two owners of an empty store."""
    stores = open_store(URL), open_store(URL)
    with stores[0]._engine.begin() as connection:
        connection.execute(EVALUATIONS.delete())
        connection.execute(LEASES.delete())
    return stores


def test_results_leases_and_failures(two, specs, invent):
    ours, theirs = two
    keys = [spec.key for spec in specs]
    assert ours.claim_many(keys) == dict.fromkeys(keys, Claim(None, mine=True))
    assert theirs.claim_many(keys) == dict.fromkeys(keys, Claim(None, mine=False))
    results = [(invent(spec, status="failed" if spec.seed == 1 else "ok"), spec) for spec in specs]
    ours.commit_many(results)
    assert theirs.get_many(keys) == {e.key: e for e, _ in results}
    assert sorted(theirs.evaluations(), key=lambda found: found[0].seed) == results
    assert theirs.statuses() == {"failed": 1, "ok": 4}
    theirs.commit_many([(replace(e, status="ok", seconds=9.0), spec) for e, spec in results])
    assert {e.seed: e.seconds for e in ours.outcomes()} == {0: 1e-9, 1: 9.0, 2: 1e-9, 3: 1e-9, 4: 1e-9}
    assert ours.forget_failed() == 0


@pytest.mark.parametrize("change", [{"device": "a\0b"}, {"device": "d" * 500}, {"parameters": 2**70}])
def test_what_the_database_refuses_costs_no_other_result(two, specs, invent, change):
    results = [(invent(spec), spec) for spec in specs]
    results[2] = (invent(specs[2], **change), specs[2])
    with pytest.raises(StoreError, match=f"refuses the result {specs[2].key}"):
        two[0].commit_many(results)
    assert {e.seed for e in two[1].outcomes()} == {0, 1, 3, 4}


def claim_all(seed):
    """Claim every key in an order of one's own; return those that one got."""
    mine, source = [], random.Random(seed)  # noqa: S311 - not a secret
    with ResultStore(URL) as store:
        for start in range(0, len(KEYS), 300):
            keys = KEYS[start : start + 300]
            source.shuffle(keys)
            mine += [key for key, claim in store.claim_many(keys).items() if claim.mine]
    return mine


def test_processes_that_claim_the_same_keys_share_them_out(two):
    store = two[0]
    with concurrent.futures.ProcessPoolExecutor(3, multiprocessing.get_context("spawn")) as pool:
        got = sorted(key for keys in pool.map(claim_all, range(3)) for key in keys)
        assert got == KEYS
        # Their leases again, now those of the dead.
        with store._engine.begin() as connection:
            connection.execute(LEASES.update().values(owner=f"{this_machine()} 999999999 1 0"))
        assert sorted(key for keys in pool.map(claim_all, range(3)) for key in keys) == KEYS


def test_processes_that_make_the_same_store_at_the_same_instant_all_succeed(two):
    with concurrent.futures.ProcessPoolExecutor(4, multiprocessing.get_context("spawn")) as pool:
        list(pool.map(abs, range(4)))
        for _ in range(3):
            with two[0]._engine.begin() as connection:
                for table in (EVALUATIONS, LEASES, INFO):
                    table.drop(connection)
            assert sum(len(keys) for keys in pool.map(claim_all, range(4))) == len(KEYS)


def test_a_store_goes_on_after_its_connections_were_cut(two, spec, invent):
    store, other = two
    store.commit(invent(spec), spec)
    with other._engine.connect() as connection:
        connection.execute(
            sa.text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
        )
    assert store.get(spec.key) == invent(spec)
