"""Services for tests, on a port of this machine."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from aen_service.serve import make_server, open_port
from aen_service.service import Service
from aen_service.settings import Settings

# A search of seconds.
SMALL = {
    "budget.children": 4,
    "training.epochs": 1,
    "selection.seeds": 2,
    "selection.top": 1,
    "child.hidden": [8],
    "data.train": 60,
    "data.validation": 60,
    "data.test": 60,
}


@contextmanager
def serving(root: Path, *, port: int = 0, **settings: Any) -> Iterator[tuple[Service, httpx.Client]]:
    """Serve a root inside the block; the client has an operator's token, and its paths begin at ``/``."""
    listener, port = open_port("127.0.0.1", port, any_port=False)
    try:
        with listener, Service(Settings(root=root, port=port, **settings)) as service:
            secret = service.tokens.add("tester", "operator")[1]
            server = make_server(service)
            thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
            thread.start()
            try:
                _wait_for_start(server)
                with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=bearer(secret), timeout=60) as client:
                    yield service, client
            finally:
                server.should_exit = True
                thread.join()
    finally:
        end_searches(root)


def end_searches(root: Path) -> None:
    """Kill the searches of a service that has ended; they would go on, and the other tests wait for the cores."""
    place = str(root.resolve())
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if str((process / "cwd").readlink()).startswith(place) and process.name != str(os.getpid()):
                os.kill(int(process.name), signal.SIGKILL)
        except OSError:  # another user's, or it has just ended
            continue


def bearer(secret: str) -> dict[str, str]:
    """Return the headers that send a token."""
    return {"Authorization": f"Bearer {secret}"}


def wait_for(client: httpx.Client, search: str, states: set[str], seconds: float = 120.0) -> dict[str, Any]:
    """Return a search once it is in one of some states."""
    deadline = time.monotonic() + seconds
    while True:
        found: dict[str, Any] = client.get(f"/api/v1/searches/{search}").json()
        if found["state"] in states:
            return found
        assert time.monotonic() < deadline, found
        time.sleep(0.1)


def _wait_for_start(server: uvicorn.Server) -> None:
    deadline = time.monotonic() + 30
    while not server.started:
        assert time.monotonic() < deadline, "the server does not start"
        time.sleep(0.01)
