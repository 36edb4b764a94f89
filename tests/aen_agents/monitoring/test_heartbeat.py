"""The heartbeat."""

import subprocess
import sys


def test_the_heartbeat_keeps_no_process_alive() -> None:
    code = "from aen_agents.monitoring.heartbeat import Heartbeat; Heartbeat(lambda: 1 / 0, 0.01); print('over')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert (done.stdout, done.stderr) == ("over\n", "")
