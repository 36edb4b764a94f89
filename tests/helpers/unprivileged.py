"""Runs a function as a user whom permissions bind: root ignores them."""

import ctypes
import os
import pickle
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

T = TypeVar("T")
_VERSION_3 = 0x20080522  # of capset(2)
_WITHOUT_DAC = 0xFFFFFFFF & ~0b110  # neither CAP_DAC_OVERRIDE nor CAP_DAC_READ_SEARCH


def _give_up_privileges() -> bool:
    """Return whether permissions bind this process from now on; user and files stay readable."""
    if os.getuid():
        return True
    header = (ctypes.c_uint32 * 2)(_VERSION_3, 0)
    data = (ctypes.c_uint32 * 6)(_WITHOUT_DAC, _WITHOUT_DAC, 0, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    libc = ctypes.CDLL(None)
    if libc.capget(header, data):
        return False
    for place in (0, 1):  # effective and permitted
        data[place] &= _WITHOUT_DAC
    return libc.capset(header, data) == 0


def unprivileged(function: Callable[[], T]) -> T:
    """Return what a function returns in a fork of this process that permissions bind; its errors are raised here."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        try:
            found: tuple[str, object] = ("skip", None)
            if _give_up_privileges():
                try:
                    found = ("value", function())
                except BaseException as error:  # noqa: BLE001 - nothing of a fork may go on
                    found = ("error", error) if isinstance(error, Exception) else ("text", traceback.format_exc())
            with os.fdopen(write, "wb") as pipe:
                pickle.dump(found, pipe)
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        kind, value = pickle.load(pipe)  # noqa: S301 - our own bytes
    os.waitpid(child, 0)
    if kind == "skip":
        pytest.skip("root cannot give up its privileges here")
    if kind == "error":
        raise value
    assert kind == "value", value
    return value


def take_write_permission(path: Path) -> None:
    """Make a file, or a folder and all in it, read-only."""
    for inner in sorted(path.rglob("*"), reverse=True) if path.is_dir() else []:
        inner.chmod(inner.stat().st_mode & 0o555)
    path.chmod(path.stat().st_mode & 0o555)
