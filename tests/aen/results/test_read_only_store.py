"""Stores that this user may read but not write: closed, of a running search, and of one that was killed."""

import os
import shutil
import sqlite3
import tempfile
from contextlib import ExitStack, closing, contextmanager

import pytest
from helpers.unprivileged import take_write_permission, unprivileged

from aen.errors import StoreError
from aen.results import read_only
from aen.results.store import ResultStore

STATES = ("closed", "live", "killed", "killed without index")


@pytest.fixture
def shared(open_store, tmp_path, specs, invent, monkeypatch):
    """Make the store of another user in some state; return its file and the store that writes it."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    made, held = [], ExitStack()

    def make(state, *, folder_too):
        folder = tmp_path / "shared"
        folder.mkdir()
        file = (tmp_path if state.startswith("killed") else folder) / "results.sqlite"
        store = open_store(file)
        for spec in specs:
            store.commit(invent(spec), spec)
        if state == "closed":
            store.close()
        if state == "live":
            held.enter_context(reading(file))
        if state.startswith("killed"):
            ends = ("", "-wal") if state.endswith("index") else ("", "-wal", "-shm")
            for end in ends:
                shutil.copy(f"{file}{end}", folder)
        file = folder / "results.sqlite"
        for inner in folder.iterdir():
            take_write_permission(inner)
        if folder_too:
            folder.chmod(0o555)
        made.append(folder)
        return file, store

    yield make
    held.close()
    for folder in made:
        folder.chmod(0o755)


@contextmanager
def reading(file):
    """Keep a connection open; the store itself closes its idle one before a fork."""
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("SELECT count(*) FROM evaluations").fetchone()
        yield


def names(folder):
    return sorted(file.name for file in folder.iterdir())


def content(folder):
    return {file.name: file.read_bytes() for file in folder.iterdir() if not file.name.endswith("-shm")}


def results(file):
    def read():
        with ResultStore(file, create=False) as store:
            return store.count(), [evaluation for evaluation, _ in store.evaluations()]

    return unprivileged(read)


@pytest.mark.parametrize("folder_too", [True, False], ids=["folder", "file"])
@pytest.mark.parametrize("state", STATES)
def test_all_results_are_read_and_nothing_is_written(shared, specs, invent, tmp_path, state, folder_too):
    file, _ = shared(state, folder_too=folder_too)
    there, before = names(file.parent), content(file.parent)
    count, evaluations = results(file)
    assert count == len(specs)
    assert sorted(e.seed for e in evaluations) == [spec.seed for spec in specs]
    assert {e.key: e for e in evaluations}[specs[0].key] == invent(specs[0])
    assert names(file.parent) == there
    assert content(file.parent) == before
    assert names(tmp_path / "tmp") == []


@pytest.mark.parametrize("state", STATES)
def test_writing_is_an_error(shared, spec, invent, state):
    file, _ = shared(state, folder_too=True)

    def use():
        said = []
        with ResultStore(file, create=False) as store:
            for change in (
                lambda: store.claim("0" * 24),
                lambda: store.commit(invent(spec.with_seed(99)), spec.with_seed(99)),
                store.forget_failed,
            ):
                try:
                    change()
                except StoreError as error:
                    said.append(str(error))
        return said

    said = unprivileged(use)
    assert len(said) == 3
    assert all("attempt to write a readonly database. Check that this user may write the file" in text for text in said)


@pytest.mark.parametrize("folder_too", [True, False], ids=["folder", "file"])
def test_a_search_is_refused_before_it_trains(shared, folder_too):
    file, _ = shared("closed", folder_too=folder_too)
    with pytest.raises(StoreError, match=r"cannot be written\. Check that this user may write the file and its folder"):
        unprivileged(lambda: ResultStore(file))
    assert names(file.parent) == [file.name]


def test_a_running_search_of_another_user_is_read_and_not_disturbed(start, path):
    writer = start("commit_on_and_on", path)
    for _ in range(5):
        writer.stdout.readline()
    for file in path.parent.glob("results.sqlite*"):
        take_write_permission(file)
    path.parent.chmod(0o555)

    def read():
        counts = []
        with ResultStore(path, create=False) as store:
            for _ in range(20):
                counts.append(store.count())
                assert store.count() <= len({evaluation.key for evaluation, _ in store.evaluations()})
        return counts

    try:
        counts = unprivileged(read)
        assert counts == sorted(counts)
        assert 5 <= counts[0] < counts[-1]
        committed = [writer.stdout.readline() for _ in range(counts[-1])]  # it still commits
        assert all(committed)
        writer.kill()
        assert results(path)[0] >= counts[-1] + 5
    finally:
        path.parent.chmod(0o755)


def test_a_log_that_cannot_be_copied_is_an_error(shared, monkeypatch):
    file, _ = shared("killed without index", folder_too=True)
    monkeypatch.setattr(tempfile, "tempdir", "/proc/nowhere")
    with pytest.raises(StoreError, match=r"cannot be copied \(/proc/nowhere.*\); set TMPDIR to a folder with"):
        results(file)


def test_a_file_that_is_written_while_it_is_copied_is_copied_again(shared, monkeypatch):
    file, _ = shared("killed without index", folder_too=True)
    copy, tries = shutil.copyfile, []

    def disturbed(source, target):
        copy(source, target)
        tries.append(target)
        if len(tries) <= 4:
            os.utime(file, ns=(0, len(tries)))

    monkeypatch.setattr(read_only.shutil, "copyfile", disturbed)
    connection = read_only.ReadOnlyFile(file).connect()
    assert connection.execute("SELECT count(*) FROM evaluations").fetchone() == (5,)
    connection.close()
    assert len(tries) == 6


def test_a_damaged_file_is_refused(shared):
    file, _ = shared("closed", folder_too=True)
    size = file.stat().st_size
    os.truncate(file, size // 2)
    with pytest.raises(StoreError, match=r"(malformed|damaged).*put a copy of it back"):
        results(file)
    file.chmod(0o644)
    file.write_bytes(b"no database" * 100)
    take_write_permission(file)
    with pytest.raises(StoreError, match="is not an SQLite file"):
        results(file)
