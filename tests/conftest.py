"""One thread per test process: several processes share the cores, and more threads only wait for each other."""

import os

os.environ["OMP_NUM_THREADS"] = "1"
