"""Ray clusters with a dashboard for tests, which run jobs; each in processes of its own."""

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

NEEDS_DASHBOARD = pytest.mark.skipif(
    importlib.util.find_spec("aiohttp_cors") is None,
    reason="Ray's dashboard is not installed (docker/requirements-dashboard.lock)",
)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def cluster(token: str) -> Iterator[str]:
    """Start a cluster with its dashboard; yield the dashboard's address."""
    port, folder = _free_port(), Path(tempfile.mkdtemp(prefix="aen-", dir="/tmp"))
    words = [
        "start",
        "--head",
        "--block",
        "--disable-usage-stats",
        "--num-cpus",
        "2",
        "--temp-dir",
        str(folder / "ray"),
    ]
    words += ["--port", str(_free_port()), "--dashboard-host", "127.0.0.1", "--dashboard-port", str(port)]
    words += ["--node-ip-address", "127.0.0.1", "--ray-client-server-port", str(_free_port())]
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    environment = os.environ | {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token, "PATH": path}
    environment["PYTHONPATH"] = os.pathsep.join(entry for entry in sys.path if entry)
    program = "import sys; from ray.scripts.scripts import main; main()"
    with (folder / "output").open("wb") as output:
        head = subprocess.Popen(
            [sys.executable, "-c", program, *words],
            env=environment,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + 120
        while b"This command will now block forever" not in (folder / "output").read_bytes():
            assert head.poll() is None, (folder / "output").read_text()
            assert time.monotonic() < deadline, (folder / "output").read_text()
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        head.send_signal(signal.SIGTERM)
        head.wait(60)
        shutil.rmtree(folder, ignore_errors=True)
