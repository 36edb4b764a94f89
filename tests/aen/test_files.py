"""Atomic writes: no temporary file is left and an existing file stays, whatever ends the writing."""

import errno
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from helpers.full_disk import files_no_longer_than

from aen._files import new_file, write_atomically

durabilities = pytest.mark.parametrize("durable", [False, True])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file that exists already."""
    path = tmp_path / "summary.json"
    path.write_text("before")
    return path


def assert_only_the_old_file(file: Path) -> None:
    assert [path.name for path in file.parent.iterdir()] == [file.name]
    assert file.read_text() == "before"


@durabilities
@pytest.mark.parametrize("content", ["é\r\n", "é\r\n".encode(), memoryview("é\r\n".encode())], ids=type)
def test_the_file_has_the_content(file: Path, content: str | bytes | memoryview, durable: bool) -> None:
    write_atomically(file, content, durable=durable)
    assert [path.name for path in file.parent.iterdir()] == [file.name]
    assert file.read_bytes() == b"\xc3\xa9\r\n"


@durabilities
@pytest.mark.parametrize("size", [100, 100_000], ids=["buffered", "longer than the buffer"])
def test_a_full_disk(file: Path, size: int, durable: bool) -> None:
    with files_no_longer_than(50), pytest.raises(OSError, match="File too large") as error:
        write_atomically(file, "1" * size, durable=durable)
    assert (error.value.errno, error.value.filename) == (errno.EFBIG, str(file))
    assert_only_the_old_file(file)


def test_a_full_disk_in_a_block(file: Path) -> None:
    def write() -> None:
        with new_file(file, durable=False) as new:
            new.write(b"1" * 40)
            new.write(b"1" * 40)

    with files_no_longer_than(50), pytest.raises(OSError, match="File too large"):
        write()
    assert_only_the_old_file(file)


@durabilities
def test_a_rename_that_fails(tmp_path: Path, durable: bool) -> None:
    taken = tmp_path / "taken"
    (taken / "something").mkdir(parents=True)
    with pytest.raises(OSError, match="Is a directory") as error:
        write_atomically(taken, "text", durable=durable)
    assert str(error.value) == f"[Errno {errno.EISDIR}] Is a directory: '{taken}'"
    assert list(tmp_path.iterdir()) == [taken]


@durabilities
def test_an_interrupt(file: Path, durable: bool) -> None:
    def write() -> None:
        with new_file(file, durable=durable) as new:
            new.write(b"half of")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write()
    assert_only_the_old_file(file)


def test_an_interrupt_from_outside(file: Path) -> None:
    code = f"""
import os, signal
from pathlib import Path
from aen._files import new_file
signal.signal(signal.SIGINT, signal.default_int_handler)  # who starts the tests in the background ignores it
with new_file(Path({str(file)!r}), durable=False) as new:
    new.write(b"half of")
    os.kill(os.getpid(), signal.SIGINT)
    signal.pause()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "KeyboardInterrupt" in done.stderr
    assert_only_the_old_file(file)


def test_a_folder_that_is_not_there_is_named_with_the_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as error:
        write_atomically(tmp_path / "none" / "file", "text", durable=False)
    assert error.value.filename == str(tmp_path / "none" / "file")


def test_text_that_is_no_unicode(file: Path) -> None:
    with pytest.raises(UnicodeEncodeError):
        write_atomically(file, "\ud800", durable=False)
    assert_only_the_old_file(file)


def test_permissions_are_those_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("")
    write_atomically(tmp_path / "new", "", durable=False)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == stat.S_IMODE((tmp_path / "other").stat().st_mode)


def test_two_writers_of_one_file_do_not_disturb_each_other(file: Path) -> None:
    with new_file(file, durable=False) as first, new_file(file, durable=False) as second:
        first.write(b"first")
        second.write(b"second")
    assert file.read_text() == "first"  # whose block ended last
    errors: list[BaseException] = []

    def write(number: int) -> None:
        try:
            for _ in range(50):
                write_atomically(file, str(number) * 1000, durable=False)
        except BaseException as error:  # noqa: BLE001 - a thread's error is seen by nobody otherwise
            errors.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(set(file.read_text())) == 1
    assert len(file.read_text()) == 1000
    assert [path.name for path in file.parent.iterdir()] == [file.name]


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is synced, in order: ``file`` or ``folder``."""
    kinds: list[str] = []
    fsync = os.fsync

    def note(number: int) -> None:
        kinds.append("folder" if stat.S_ISDIR(os.fstat(number).st_mode) else "file")
        fsync(number)

    monkeypatch.setattr(os, "fsync", note)
    return kinds


@pytest.mark.parametrize(("durable", "expected"), [(False, []), (True, ["file", "folder"])])
def test_what_is_synced(file: Path, synced: list[str], durable: bool, expected: list[str]) -> None:
    write_atomically(file, "text", durable=durable)
    assert synced == expected


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP, errno.EIO])
def test_a_folder_that_cannot_be_synced(file: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    fsync = os.fsync

    def files_only(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(number, os.strerror(number))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", files_only)
    if number == errno.EIO:  # of the disk; the others say that this file system has no such thing
        with pytest.raises(OSError, match=os.strerror(number)):
            write_atomically(file, "text", durable=True)
    else:
        write_atomically(file, "text", durable=True)
    assert file.read_text() == "text"
