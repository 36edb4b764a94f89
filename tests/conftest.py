"""One thread per test process: several processes share the cores, and more threads only wait for each other.

`AEN_TEST_THREADS` is another number of threads, for `make test-portable`.

What aen caches goes into a folder of the test run, and not into the user's.
"""

import atexit
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator

import pytest
from helpers.shape_checker import leave_the_rest_alone
from hypothesis import settings

leave_the_rest_alone()
settings.register_profile("aen", deadline=None)  # an example takes as long as the machine lets it
settings.load_profile("aen")
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in a shell's background job: so would all that tests start
    signal.signal(signal.SIGINT, signal.default_int_handler)
os.environ["OMP_NUM_THREADS"] = os.environ.get("AEN_TEST_THREADS", "1")
# The many processes that tests start would each compile aen anew, and this one the tests.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
if "PYTEST_XDIST_WORKER" not in os.environ:  # xdist's workers share the folder of the process that starts them
    os.environ["AEN_CACHE"] = tempfile.mkdtemp(prefix="aen-test-cache-")
    atexit.register(shutil.rmtree, os.environ["AEN_CACHE"], ignore_errors=True)


def pytest_xdist_auto_num_workers() -> int:
    """Return the number of processes for ``-n auto``: many tests wait for processes and files, not for a core."""
    return max(len(os.sched_getaffinity(0)) * 3 // 2, 1)


@pytest.fixture(autouse=True)
def _no_secrets_of_other_tests() -> Iterator[None]:
    """Forget the passwords that a test has announced: a word of theirs would be hidden in the messages of the next."""
    from aen import _secrets

    known = dict(_secrets._secrets), dict(_secrets._addresses)
    yield
    if (_secrets._secrets, _secrets._addresses) != known:
        for kept, before in zip((_secrets._secrets, _secrets._addresses), known, strict=True):
            kept.clear()
            kept.update(before)
        _secrets._replacements.cache_clear()
