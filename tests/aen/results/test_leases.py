"""Leases of owners on other machines: their clocks may show any time, and their processes cannot be seen."""

import socket
import time

import pytest
import sqlalchemy as sa

from aen._processes import Process, this_machine
from aen.evaluators import LocalEvaluator
from aen.results.database import LEASES
from aen.results.leases import LeaseWatch, new_owner, process_of

CLOCKS = ("an hour behind", "an hour ahead", "a year ahead", "stands still", "runs backwards")
CLONE = f"{this_machine().split()[0]} pid:[1]"  # a container of this machine, which may have its host name


@pytest.fixture
def hold(start, path, specs):
    """Start processes that hold the leases of the specs, each with another clock; return them and their keys."""

    def run(lease_seconds, clocks=CLOCKS):
        holders = [start("hold_lease", path, lease_seconds, n, clock, CLONE) for n, clock in enumerate(clocks)]
        assert {holder.stdout.readline() for holder in holders} == {"mine\n"}
        return holders, [spec.key for spec, _ in zip(specs, clocks, strict=False)]

    return run


def kill(holders):
    for holder in holders:
        holder.kill()


def test_living_owners_keep_their_leases_whatever_their_clocks_show(hold, open_store):
    _, keys = hold(0.3)  # they beat often: a machine that is busy for a moment must not fail the test
    store = open_store(lease_seconds=1.2)
    began = time.monotonic()
    while time.monotonic() < began + 3:
        assert not any(claim.mine for claim in store.claim_many(keys).values())
        time.sleep(0.05)


def test_dead_owners_lose_their_leases_to_who_has_watched_them_for_so_long(hold, open_store):
    holders, keys = hold(0.5)
    kill(holders)
    watching, late = open_store(lease_seconds=1.0), open_store(lease_seconds=1.0)
    began, taken = time.monotonic(), set()
    while len(taken) < len(keys):
        claims = watching.claim_many([key for key in keys if key not in taken])
        taken |= {key for key, claim in claims.items() if claim.mine}
        assert not taken or time.monotonic() - began >= 1.0
        assert time.monotonic() - began < 20
        time.sleep(0.05)
    watching.release_many(keys)
    assert all(claim.mine for claim in late.claim_many(keys).values())


def test_who_looks_seldom_has_watched_in_between(hold, open_store, spec):
    kill(hold(0.5, ["an hour ahead"])[0])
    store = open_store(lease_seconds=0.8)
    assert not store.claim(spec.key).mine
    time.sleep(2)
    assert store.claim(spec.key).mine


def test_a_search_trains_what_a_dead_owner_left(hold, open_store, spec):
    kill(hold(0.5, ["a year ahead"])[0])
    store = open_store(lease_seconds=0.5)
    evaluator = LocalEvaluator(store)
    (future,) = evaluator.submit([spec])
    assert evaluator.trained == 1
    assert store.get(spec.key) == future.result()


def test_all_leases_of_a_dead_owner_are_free_at_once(open_store, specs, sql):
    dead, heir, third = open_store(), open_store(lease_seconds=0.5), open_store(lease_seconds=0.5)
    for spec in specs:
        dead.claim(spec.key)
        sql("UPDATE leases SET heartbeat = heartbeat + ? WHERE key = ?", spec.seed, spec.key)
    dead.close()
    first, second, *others = (spec.key for spec in specs)
    while not heir.claim(first).mine:
        assert not third.claim(others[-1]).mine
        time.sleep(0.05)
    assert heir.claim(second).mine  # it has never asked for it before
    time.sleep(0.2)
    assert third.claim(others[0]).mine  # what others took over is no sign of life


def test_heartbeats_that_change_are_life_whichever_way_they_change(store, open_store, spec, sql):
    owner = open_store()
    owner.claim(spec.key)
    owner.close()
    watch, silent = LeaseWatch(0.6), []
    for change in ("+ 1e9", "- 1000", "* 0", "- 0.001"):
        sql(f"UPDATE leases SET heartbeat = heartbeat {change}")
        for _ in range(4):
            with store._read() as connection:
                silent += watch.silent(connection, [owner.owner])
            time.sleep(0.1)
    assert silent == []
    while not silent:  # the test would see it
        with store._read() as connection:
            silent += watch.silent(connection, [owner.owner])


def test_a_pause_of_the_watching_process_is_nobodys_silence(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr("aen.results.leases.time.monotonic", lambda: clock[0])
    watch = LeaseWatch(30)
    for seconds, watched in ((7, 7), (10, 17), (3600, 27), (1, 28)):
        clock[0] += seconds
        assert watch.tick() == watched


def test_an_owner_names_its_process(store):
    assert process_of(store.owner) == Process.this()
    assert process_of(new_owner()) == Process.this()
    assert len(new_owner()) <= LEASES.c.owner.type.length
    assert len(f"{'f' * 36} pid:[{2**32}] {2**22} {2**63} {'0' * 8}") <= LEASES.c.owner.type.length


@pytest.mark.parametrize(
    "owner",
    [
        f"{socket.gethostname()}/4026531836:999999999:0123abcd",  # of earlier versions
        f"{CLONE} 999999999 1 0123abcd",
        f"00000000-{this_machine()[9:]} 999999999 1 0123abcd",
        f"unknown {2**22} unknown 0123abcd",
        "",
    ],
    ids=["earlier version", "container", "clone", "no /proc", "empty"],
)
def test_a_process_that_cannot_be_seen_from_here_is_not_dead(open_store, spec, sql, owner):
    open_store().claim(spec.key)
    sql("UPDATE leases SET owner = ?", owner)
    assert not open_store().claim(spec.key).mine


@pytest.mark.parametrize(("pid", "start"), [(999_999_999, 1), (Process.this().pid, 1)], ids=["gone", "number reused"])
def test_a_process_of_this_machine_that_ended_loses_its_lease_at_once(open_store, spec, sql, pid, start):
    open_store().claim(spec.key)
    sql("UPDATE leases SET owner = ?, heartbeat = 9e9", f"{this_machine()} {pid} {start} 0123abcd")
    store = open_store()
    assert store.claim(spec.key).mine
    with store._engine.begin() as connection:
        assert connection.execute(sa.select(LEASES.c.owner)).scalars().all() == [store.owner]
