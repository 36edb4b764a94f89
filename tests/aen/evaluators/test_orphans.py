"""Workers end with the process that started them, at whatever moment it is killed."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

# Each prints the number of a worker; the driver is killed at once, or when the worker has printed a line.
RUNNING = """
import subprocess, sys
from aen._subprocesses import python_command
worker = subprocess.Popen(python_command("import time; print('begun', flush=True); time.sleep(600)"))
print(worker.pid, flush=True)
worker.wait()
"""
EARLY = RUNNING.replace("print('begun', flush=True); ", "")  # without output, which would end it when nobody reads
POOL = """
import time
from aen.evaluators.processes import WorkerPool
pool = WorkerPool(1)
pool.start()
while not pool.pids:
    time.sleep(0.001)
print(*pool.pids, flush=True)
time.sleep(600)
"""
needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are looked up in /proc")


def ended(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return True
    return state == "Z"


def killed_after(script, line):
    """Kill a driver when its worker's number is known, or when the worker says that it runs; return the number."""
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as driver:
        worker = int(driver.stdout.readline())
        if line:
            assert driver.stdout.readline() == line
        driver.kill()
    return worker


@needs_proc
@pytest.mark.parametrize(
    ("script", "line"),
    [(EARLY, ""), (RUNNING, "begun\n"), (POOL, "")],
    ids=["in its first milliseconds", "when it runs", "while a worker of a pool starts"],
)
def test_workers_end_with_a_killed_parent(script, line):
    worker = killed_after(script, line)
    deadline = time.monotonic() + 30
    while not ended(worker) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert ended(worker)


@needs_proc
def test_where_the_kernel_does_not_tell_the_worker_looks_for_its_parent():
    program = RUNNING.replace("from aen", "import aen._subprocesses as module\nfrom aen", 1).replace(
        "worker =", "module._PRELUDE = module._PRELUDE.replace('prctl', 'no_such_call')\nworker =", 1
    )
    worker = killed_after(program, "begun\n")
    deadline = time.monotonic() + 30
    while not ended(worker) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert ended(worker)
