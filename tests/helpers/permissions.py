"""Permissions as another user meets them, also where the tests run as root."""

import ctypes
import os
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_VERSION = 0x20080522  # of the calls capget and capset: two words for each set of capabilities
_DAC_OVERRIDE, _DAC_READ_SEARCH = 1 << 1, 1 << 2


@contextmanager
def permissions_apply() -> Iterator[None]:
    """Let permissions of files hold for this thread, even if it is root's: without the capabilities to pass them."""
    if sys.platform != "linux":
        if os.geteuid() == 0:
            pytest.skip("permissions do not apply to root")
        yield
        return
    libc = ctypes.CDLL(None)
    header = ctypes.create_string_buffer(struct.pack("Ii", _VERSION, 0))
    before = ctypes.create_string_buffer(24)
    assert libc.capget(header, before) == 0
    words = list(struct.unpack("6I", before.raw[:24]))  # effective, permitted, inheritable; then the higher bits
    words[0] &= ~(_DAC_OVERRIDE | _DAC_READ_SEARCH)
    assert libc.capset(header, ctypes.create_string_buffer(struct.pack("6I", *words))) == 0
    try:
        yield
    finally:
        assert libc.capset(header, before) == 0


@contextmanager
def without_permission(path: Path) -> Iterator[None]:
    """Take all permissions of a file or folder away inside the block."""
    mode = path.stat().st_mode
    path.chmod(0)
    try:
        with permissions_apply():
            yield
    finally:
        path.chmod(mode)
