"""A disk that is full, as a process sees it: a file does not grow beyond some size, and the write fails."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest


@contextmanager
def files_no_longer_than(size: int) -> Iterator[None]:
    """Let this process write no file beyond so many bytes; Python ignores the signal that comes with the error."""
    resource = pytest.importorskip("resource", reason="needs limits of processes")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
