"""Locks: a lock that another holds, and file systems that have none."""

import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.no_locks import without_locks

from aen._locks import NoLocksError, check_locks, check_record_locks, lock_file

NO_LOCKS = [errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL, errno.EPERM, errno.EIO]
numbers = pytest.mark.parametrize("number", NO_LOCKS, ids=errno.errorcode.get)
checks = pytest.mark.parametrize("check", [check_locks, check_record_locks])


def test_a_lock_is_held_by_one_file_until_it_is_closed(tmp_path: Path) -> None:
    with (tmp_path / "lock").open("w") as first, (tmp_path / "lock").open("w") as second:
        assert lock_file(first)
        assert not lock_file(second)
        first.close()
        assert lock_file(second)


def test_a_lock_can_be_waited_for(tmp_path: Path) -> None:
    got = threading.Event()

    def wait() -> None:
        with (tmp_path / "lock").open("w") as second:
            assert lock_file(second, wait=True)
            got.set()

    with (tmp_path / "lock").open("w") as first:
        assert lock_file(first)
        waiting = threading.Thread(target=wait)
        waiting.start()
        assert not got.wait(0.2)
    waiting.join(60)
    assert got.is_set()


@numbers
@pytest.mark.parametrize("wait", [False, True])
def test_a_file_system_without_locks_is_not_taken_for_a_lock_that_is_held(
    tmp_path: Path, number: int, wait: bool
) -> None:
    with (tmp_path / "lock").open("w") as file, pytest.raises(NoLocksError) as error:
        without_locks(lambda: lock_file(file, wait=wait), number)
    assert str(error.value) == f"the file system of {tmp_path / 'lock'} cannot lock files ({os.strerror(number)})"


@pytest.mark.parametrize("number", [errno.EWOULDBLOCK, errno.EACCES], ids=errno.errorcode.get)
def test_these_say_that_another_holds_it(tmp_path: Path, number: int) -> None:
    with (tmp_path / "lock").open("w") as file:
        assert not without_locks(lambda: lock_file(file), number)


@checks
@numbers
def test_a_folder_is_checked_before_it_is_made(tmp_path: Path, check: Callable[[Path], None], number: int) -> None:
    with pytest.raises(NoLocksError, match="cannot lock files") as error:
        without_locks(lambda: check(tmp_path / "a" / "b"), number)
    assert (error.value.errno, error.value.filename) == (number, str(tmp_path / "a" / "b"))
    check(tmp_path / "a" / "b")
    assert list(tmp_path.iterdir()) == []
