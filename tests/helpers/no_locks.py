"""A file system that cannot lock files, as a thread sees it: the kernel answers its lock calls with an error."""

import ctypes
import errno
import platform
import struct
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar, TypeVar

import pytest

T = TypeVar("T")

_CALLS = {"x86_64": (72, 73), "aarch64": (25, 32)}  # numbers of the system calls fcntl and flock
_SETLK, _SETLKW, _OFD_SETLK, _OFD_SETLKW = 6, 7, 37, 38  # commands of fcntl
_SET_NO_NEW_PRIVILEGES, _SET_SECCOMP, _FILTER = 38, 22, 2
_LOAD, _IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _FAIL = 0x7FFF0000, 0x00050000


class _Program(ctypes.Structure):
    _fields_: ClassVar = [("length", ctypes.c_ushort), ("code", ctypes.c_void_p)]


def without_locks(call: Callable[[], T], number: int = errno.ENOLCK, *, flock: bool = True) -> T:
    """Call a function in a thread in which no file can be locked, and return its result or raise its error.

    Args:
        call: the function.
        number: the error number of each lock.
        flock: whether `flock` fails as well as the locks of `fcntl`, which are those of SQLite.
    """

    def inside() -> T:
        if not _install(number, flock=flock):
            pytest.skip("needs Linux's filter of system calls, on x86_64 or aarch64")
        return call()

    # The filter belongs to the thread and ends with it.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(inside).result()


def _install(number: int, *, flock: bool) -> bool:
    if platform.system() != "Linux" or platform.machine() not in _CALLS:
        return False
    fcntl_call, flock_call = _CALLS[platform.machine()]
    # Instructions of a filter: code, how many to skip if equal, and if not, value.
    program = [
        (_LOAD, 0, 0, 0),  # the number of the system call
        (_IF_EQUAL, 7 if flock else 6, 0, flock_call),
        (_IF_EQUAL, 0, 5, fcntl_call),
        (_LOAD, 0, 0, 24),  # its second argument
        (_IF_EQUAL, 4, 0, _SETLK),
        (_IF_EQUAL, 3, 0, _SETLKW),
        (_IF_EQUAL, 2, 0, _OFD_SETLK),
        (_IF_EQUAL, 1, 0, _OFD_SETLKW),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _FAIL | number),
    ]
    code = b"".join(struct.pack("HBBI", *instruction) for instruction in program)
    buffer = ctypes.create_string_buffer(code, len(code))
    filter_ = _Program(len(program), ctypes.cast(buffer, ctypes.c_void_p))
    prctl = ctypes.CDLL(None).prctl
    return not prctl(_SET_NO_NEW_PRIVILEGES, 1, 0, 0, 0) and not prctl(_SET_SECCOMP, _FILTER, ctypes.byref(filter_))
