"""One thread per test process: several processes share the cores, and more threads only wait for each other.

What aen caches goes into a folder of the test run, and not into the user's.
"""

import atexit
import os
import shutil
import tempfile

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["AEN_CACHE"] = tempfile.mkdtemp(prefix="aen-test-cache-")
atexit.register(shutil.rmtree, os.environ["AEN_CACHE"], ignore_errors=True)
