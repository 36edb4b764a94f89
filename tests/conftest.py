"""One thread per test process: several processes share the cores, and more threads only wait for each other.

`AEN_TEST_THREADS` is another number of threads, for `make test-portable`.

What aen caches goes into a folder of the test run, and not into the user's.
"""

import atexit
import os
import shutil
import tempfile

from helpers.shape_checker import leave_the_rest_alone

leave_the_rest_alone()
os.environ["OMP_NUM_THREADS"] = os.environ.get("AEN_TEST_THREADS", "1")
# The many processes that tests start would each compile aen anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
os.environ["AEN_CACHE"] = tempfile.mkdtemp(prefix="aen-test-cache-")
atexit.register(shutil.rmtree, os.environ["AEN_CACHE"], ignore_errors=True)
