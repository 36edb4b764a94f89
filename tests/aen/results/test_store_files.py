import re
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from aen.errors import StoreError
from aen.results.store import ResultStore

PAGE = 4096
MEND = r"If it was a result store, put a copy of it back, or move it away: .*Otherwise name another .*\(store=\.\.\.\)"


@pytest.fixture
def sound(open_store, path, specs, invent):
    """The bytes of a store with a few results in it."""
    with open_store() as store:
        for spec in specs:
            store.commit(invent(spec), spec)
    return path.read_bytes()


def refuse(path, match):
    """The store says why it does not open this file, and leaves the file as it was."""
    before = path.read_bytes()
    for create in (True, False):
        with pytest.raises(StoreError, match=match):
            ResultStore(path, create=create)
        assert path.read_bytes() == before


def test_write_ahead_log_and_durable_commits_are_on(store, sql):
    assert sql("PRAGMA journal_mode") == [("wal",)]
    with store._engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2


@pytest.mark.parametrize("size", [1, 15, 100, 3 * PAGE])
def test_a_file_of_other_bytes_is_refused(path, size):
    path.write_bytes(bytes(i * 37 % 251 for i in range(size)))
    refuse(path, rf"is not an SQLite file, or its head is damaged\. {MEND}")


@pytest.mark.parametrize("size", [40, PAGE, PAGE + 1000, 5 * PAGE])
def test_a_truncated_store_is_refused(path, sound, size):
    path.write_bytes(sound[:size])
    refuse(path, f"(malformed|damaged|not a database).*{MEND}")


@pytest.mark.parametrize("page", range(1, 9))
def test_a_store_with_a_damaged_page_is_refused(path, sound, page):
    assert len(sound) >= 9 * PAGE
    path.write_bytes(sound[: page * PAGE] + b"\xde\xad" * (PAGE // 2) + sound[(page + 1) * PAGE :])
    refuse(path, f"(malformed|is damaged ).*{MEND}")


def test_a_store_with_a_damaged_schema_is_refused(path, sound):
    path.write_bytes(sound[:100] + b"\xde\xad" * 1000 + sound[2100:])
    refuse(path, f"(malformed|damaged).*{MEND}")


def test_the_database_of_somebody_else_is_refused_and_left_as_it_was(path, sql):
    sql("CREATE TABLE people (name TEXT)")
    sql("INSERT INTO people VALUES ('Emmy')")
    refuse(path, r"is a database, but not a result store of aen \(its tables: people\); name another file or")
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("version", ["2", "0", "4"])
def test_a_store_of_another_version_is_refused(path, open_store, sql, version):
    open_store().close()
    sql("UPDATE aen_store SET value = ? WHERE name = 'version'", version)
    refuse(path, f"has version {version}, this aen reads 3; use the aen that created it")


def test_an_older_store_whose_table_lacks_columns_is_refused_by_its_version(path, open_store, sql):
    open_store().close()
    sql("ALTER TABLE evaluations DROP COLUMN record")
    sql("UPDATE aen_store SET value = '2' WHERE name = 'version'")
    refuse(path, "has version 2, this aen reads 3")


def test_a_folder_is_no_store(tmp_path):
    with pytest.raises(StoreError, match="is not a file; name another"):
        ResultStore(tmp_path)


def test_a_store_in_a_missing_folder_is_refused(tmp_path):
    with pytest.raises(StoreError, match=r"the folder .*nowhere does not exist; make it first"):
        ResultStore(tmp_path / "nowhere" / "results.sqlite")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("missing", ["results.sqlite", "nowhere/results.sqlite"])
def test_a_missing_store_is_not_made_unless_asked(tmp_path, missing):
    with pytest.raises(StoreError, match="does not exist"):
        ResultStore(tmp_path / missing, create=False)
    assert not list(tmp_path.iterdir())


def test_a_missing_store_named_by_url_is_not_made_unless_asked(path):
    with pytest.raises(StoreError, match="does not exist"):
        ResultStore(f"sqlite:///{path}", create=False)
    assert not path.exists()


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("postgres://here/x", r"'postgres' is no database that SQLAlchemy knows \(did you mean 'postgresql'\?\)"),
        ("foo://x", r"'foo' is no database .* \(choose from: mariadb, .* sqlite\)\. Name a file \(store=FILE\), or"),
        ("sqlite+nonsense:///here.sqlite", r"there is no driver 'nonsense' for sqlite; leave \+nonsense out"),
        ("://", "is neither a path nor a database's URL, such as store=postgresql"),
    ],
)
def test_an_unknown_url_is_refused(url, why, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StoreError, match=f"{re.escape(url)}.*{why}"):
        ResultStore(url)
    assert not list(tmp_path.iterdir())


def test_a_path_that_looks_like_a_url_is_told_what_urls_look_like(tmp_path):
    with pytest.raises(StoreError, match=r"does not exist; make it first.* A database's URL has :// in it\."):
        ResultStore(f"{tmp_path}/postgresql:/here/x")


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_a_file_that_cannot_be_made_is_told_with_a_remedy():
    with pytest.raises(StoreError, match=r"unable to open database file\. Check that this user may .*\(store=\.\.\.\)"):
        ResultStore("/proc/results.sqlite")


def test_a_url_names_the_same_store_as_its_path(open_store, path, spec, invent):
    open_store().commit(invent(spec), spec)
    assert open_store(f"sqlite:///{path}").get(spec.key) == invent(spec)


@pytest.mark.parametrize("name", ["with space.sqlite", "ünïcode.sqlite", "what?.sqlite", "100%20.sqlite", "a#b.sqlite"])
def test_a_store_lies_where_its_path_says(open_store, tmp_path, spec, invent, name):
    with open_store(tmp_path / name) as store:
        store.commit(invent(spec), spec)
    assert [file.name for file in tmp_path.iterdir()] == [name]
    assert open_store(tmp_path / name, create=False).get(spec.key) == invent(spec)


def test_an_empty_file_becomes_a_store(open_store, path, spec, invent):
    path.touch()
    open_store().commit(invent(spec), spec)
    assert open_store().get(spec.key) == invent(spec)


def test_trouble_with_an_open_store_is_a_store_error(store, spec, invent, sql):
    sql("DROP TABLE evaluations")
    for use in (
        lambda: store.get(spec.key),
        lambda: store.claim(spec.key),
        lambda: store.commit(invent(spec), spec),
        lambda: list(store.evaluations()),
    ):
        with pytest.raises(StoreError, match="no such table"):
            use()


def test_a_refused_claim_leaves_no_lease(store, spec, sql):
    sql("DROP TABLE evaluations")
    with pytest.raises(StoreError, match="no such table"):
        store.claim(spec.key)
    assert sql("SELECT count(*) FROM leases") == [(0,)]


def test_a_refused_commit_stores_nothing_and_keeps_the_lease(store, spec, invent, sql):
    store.claim(spec.key)
    sql("CREATE TRIGGER refuse BEFORE DELETE ON leases BEGIN SELECT RAISE(FAIL, 'no space'); END")
    with pytest.raises(StoreError, match="no space"):
        store.commit(invent(spec), spec)
    assert store.get(spec.key) is None
    assert sql("SELECT key FROM leases") == [(spec.key,)]


def test_a_store_is_an_ordinary_sqlite_database(store, spec, invent, path):
    store.commit(invent(spec), spec)
    connection = sqlite3.connect(path)
    row = connection.execute("SELECT key, validation_accuracy FROM evaluations").fetchone()
    connection.close()
    assert row == (spec.key, 0.7)


def test_a_password_is_not_shown(tmp_path):
    with pytest.raises(StoreError) as refused:
        ResultStore(f"sqlite://user:sesame@/{tmp_path}/nowhere/results.sqlite")
    assert "sesame" not in str(refused.value)


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:"])
def test_a_store_in_memory_is_refused(url):
    with pytest.raises(StoreError, match="would end with this process"):
        ResultStore(url)


def test_a_store_whose_first_transaction_was_cut_short_is_opened(path):
    """Its journal is still there: the transaction is undone, as SQLite does, and the store is read."""
    script = """
import os, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA cache_size=1")
connection.execute("CREATE TABLE aen_store (name, value)")
connection.execute("BEGIN IMMEDIATE")
connection.executemany("INSERT INTO aen_store VALUES (?, ?)", [("x" * 5000, "y")] * 50)
os._exit(0)
"""
    subprocess.run([sys.executable, "-c", script, str(path)], check=True)
    assert path.with_name(f"{path.name}-journal").stat().st_size > 0
    connection = sqlite3.connect(path.absolute().as_uri() + "?mode=ro", uri=True)
    with closing(connection), pytest.raises(sqlite3.OperationalError, match="readonly"):
        connection.execute("SELECT * FROM aen_store")
    with pytest.raises(StoreError, match="has version None"):  # readable: what the script made is no store of ours
        ResultStore(path)


def test_a_new_store_is_synced_in_its_folder(path, open_store, monkeypatch):
    synced = []
    monkeypatch.setattr("aen.results.database.sync_folder", synced.append)
    open_store().close()
    assert synced == [path.parent]
    open_store().close()
    assert synced == [path.parent]


def test_an_entry_that_cannot_be_synced_is_an_error_in_words(path, monkeypatch):
    def fail(folder):
        raise OSError(5, "Input/output error", str(folder))

    monkeypatch.setattr("aen.results.database.sync_folder", fail)
    with pytest.raises(StoreError, match=r"cannot be written: Input/output error; check its disk"):
        ResultStore(path)
