"""A full disk and servers that are not there: caused for real, told with a remedy, and nothing is lost."""

import errno
import importlib.util
import os
import re
import socket
import sqlite3
import sys
import time
from collections import deque
from pathlib import Path

import pytest
import sqlalchemy as sa
from helpers.full_disk import files_no_longer_than
from helpers.no_locks import without_locks

from aen._databases import patient
from aen.errors import StoreError
from aen.results.database_errors import database_errors, remedy
from aen.results.store import ResultStore

HAS_PSYCOPG = importlib.util.find_spec("psycopg") is not None
NO_PSYCOPG2 = importlib.util.find_spec("psycopg2") is None
FULL = "cannot be written .*make room on its disk and start again; what was stored before is kept"


def limit(store, pages):
    """Let the file of a store have so many pages and no more; None: as many as it likes."""
    sa.event.listen(store._engine, "connect", lambda raw, _: raw.execute(f"PRAGMA max_page_count={pages or 2**30}"))
    store._engine.dispose()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ("{}?timeout=abc", "its settings timeout cannot be used .*'abc'"),
        ("{}?mode=ro", "its settings mode cannot be used"),
        ("{}?password=sesame", "its settings password cannot be used"),
        ("{}%00x", "a character of value 0"),
        ("file:{}?uri=true&password=sesame", "an URI of SQLite .*give its path"),
    ],
)
def test_a_url_that_does_not_fit_is_refused_before_anything_is_made(tmp_path, settings, said):
    url = "sqlite:///" + settings.format(tmp_path / "store.sqlite")
    with pytest.raises(StoreError, match=said) as refused:
        ResultStore(url)
    assert "sesame" not in str(refused.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("at_once", [True, False], ids=["many at once", "one by one"])
def test_a_full_disk_is_said_and_costs_nothing_that_was_stored(open_store, spec, invent, at_once):
    store = open_store()
    results = [(invent(spec.with_seed(seed)), spec.with_seed(seed)) for seed in range(150)]
    keys = [evaluation.key for evaluation, _ in results]
    store.commit_many(results[:3])
    store.claim_many(keys)
    limit(store, 30)
    with pytest.raises(StoreError, match=FULL):
        deque(map(store.commit_many, [results] if at_once else [[result] for result in results]), maxlen=0)
    kept = store.count()
    assert 3 <= kept < len(results)
    assert at_once == (kept == 3)
    assert store.get_many(keys) == {e.key: e for e, _ in results[:kept]}
    limit(store, None)
    store.commit_many(results)
    assert store.get_many(keys) == {e.key: e for e, _ in results}


def test_a_full_disk_refuses_claims_too(open_store):
    store = open_store()
    limit(store, 15)
    with pytest.raises(StoreError, match=FULL):
        store.claim_many([f"{number:024d}" for number in range(3000)])
    assert store.claim("0" * 24).mine


def test_a_limit_on_the_size_of_files_is_like_a_full_disk(open_store, spec, invent):
    store = open_store()
    results = [(invent(spec.with_seed(seed)), spec.with_seed(seed)) for seed in range(200)]
    store.commit(*results[0])
    with files_no_longer_than(100_000), pytest.raises(StoreError, match=FULL):
        store.commit_many(results)
    assert (store.count(), store.get(spec.key)) == (1, results[0][0])
    store.commit_many(results)
    store.close()
    assert open_store(create=False).count() == 200


@pytest.mark.skipif(not NO_PSYCOPG2, reason="psycopg2 is installed")
def test_a_missing_driver_is_named_and_how_to_install_it():
    with pytest.raises(StoreError, match=r"psycopg2://aen:\*\*\*@here/x needs psycopg2, which is") as caught:
        ResultStore("postgresql+psycopg2://aen:secret@here/x")
    told = re.search(r"installed: (\S+) (.*?)\. Or", str(caught.value))
    assert told is not None
    assert Path(told[1]).samefile(sys.executable)  # seen from here
    assert told[2] == "-m pip install psycopg2-binary"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://aen:secret@host:port/x",
        "://aen:secret@host/x",
        "postgresql+psycopg2://aen:se@cret@here/x",
        "postgresql+psycopg2://here/x?user=aen&password=secret&sslmode=prefer",
    ],
)
def test_no_message_shows_a_password(url):
    with pytest.raises(StoreError, match=r"\*\*\*") as caught:
        ResultStore(url)
    assert "cret" not in str(caught.value)


@pytest.mark.skipif(not HAS_PSYCOPG, reason="needs psycopg")
@pytest.mark.parametrize("listens", [True, False], ids=["silent", "nobody"])
def test_a_server_that_does_not_answer_is_given_up_in_seconds(listens):
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        if listens:
            server.listen()
        where = f"postgresql+psycopg://aen:secret@127.0.0.1:{server.getsockname()[1]}/x?connect_timeout=2"
        started = time.monotonic()
        with pytest.raises(StoreError, match=r"aen:\*\*\*@.* cannot be reached: .*Check that its server runs"):
            ResultStore(where)
        assert time.monotonic() - started < 20


@pytest.mark.parametrize(
    ("url", "seconds"),
    [
        ("postgresql+psycopg://h/x", "10"),
        ("postgresql://h/x", "10"),
        ("postgresql+psycopg2://h/x?connect_timeout=3", "3"),
        ("postgresql+pg8000://h/x", None),
        ("sqlite:///x", None),
    ],
)
def test_postgresql_is_waited_for_so_long(url, seconds):
    assert patient(sa.make_url(url)).query.get("connect_timeout") == seconds


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOTSUP, errno.EINVAL], ids=errno.errorcode.get)
@pytest.mark.parametrize("stored", [False, True], ids=["new", "existing"])
def test_a_file_system_without_locks_is_said_at_once(tmp_path, number, stored):
    path = tmp_path / "results.sqlite"
    if stored:
        ResultStore(path).close()
    before = list(tmp_path.iterdir())
    started = time.monotonic()
    said = rf"the file system of {tmp_path} cannot lock files \({os.strerror(number)}\); name another file or database"
    with pytest.raises(StoreError, match=said):
        without_locks(lambda: ResultStore(path), number, flock=False)
    assert time.monotonic() - started < 10
    assert list(tmp_path.iterdir()) == before


def test_the_error_of_a_lock_that_fails_later_is_of_the_file_system(tmp_path):
    """ENOLCK looks like a lock that is held; with any other error SQLite says which call failed."""
    ResultStore(tmp_path / "a").close()
    with pytest.raises(sqlite3.OperationalError) as error:
        without_locks(lambda: sqlite3.connect(tmp_path / "a").execute("SELECT * FROM leases"), errno.ENOTSUP)
    assert "file system cannot lock files" in remedy(error.value)


@pytest.mark.parametrize("mask", [0o022, 0o002, 0o077])
def test_permissions_of_a_store_follow_the_umask(tmp_path, mask):
    before = os.umask(mask)
    try:
        with ResultStore(tmp_path / "a") as store:
            store.claim("0" * 24)
            assert {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == dict.fromkeys(
                ["a", "a-wal", "a-shm"], 0o666 & ~mask
            )
    finally:
        os.umask(before)


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (sqlite3.SQLITE_CORRUPT, "put a copy of it back, or move it away"),
        (sqlite3.SQLITE_IOERR_READ, "Check its disk"),
        (sqlite3.SQLITE_FULL, "make room on its disk"),
    ],
)
@pytest.mark.parametrize("kind", [sqlite3.DatabaseError, sqlite3.OperationalError])
def test_an_error_of_sqlite_itself_is_told_like_one_of_sqlalchemy(kind, code, told):
    error = kind("database disk image is malformed")
    error.sqlite_errorcode = code
    with pytest.raises(StoreError, match=rf"result store here.*malformed.*{told}"), database_errors("here"):
        raise error
