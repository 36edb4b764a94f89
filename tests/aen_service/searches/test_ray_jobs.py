"""Searches as jobs of Ray: what is refused at the start, and a whole search on a cluster with a dashboard."""

import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from helpers.dashboard_clusters import NEEDS_DASHBOARD, cluster
from helpers.services import SMALL, serving, wait_for

from aen_agents.evaluators.ray.auth import AuthError
from aen_service.errors import ServiceStartError, UnavailableError
from aen_service.job_server import JobServer
from aen_service.main import main

TOKEN = "not-to-be-seen"  # noqa: S105 - of these tests


@contextmanager
def listening(status: int, content: bytes) -> Iterator[tuple[str, list[str | None]]]:
    """Serve the same answer to everybody; yield the address, and the tokens that were sent there."""
    sent: list[str | None] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            sent.append(self.headers["Authorization"])
            self.send_response(status)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", sent
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder with a token of Ray's, and no token in the environment."""
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray" / "auth_token").write_text(TOKEN)
    return tmp_path


@pytest.mark.parametrize("address", ["ftp://x", "http://", "http://u@x", "http://x/path", "http://x:port", ""])
def test_what_is_no_address(address: str) -> None:
    with pytest.raises(ServiceStartError, match=r"--ray is .*; give the address of the dashboard of a cluster"):
        JobServer(address)


def test_nobody_listens(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--root", str(tmp_path / "runs"), "--port", "0", "--ray", "http://127.0.0.1:9"]) == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith("aen: error: --ray is 'http://127.0.0.1:9': cannot connect to http://127.0.0.1:9 (")
    assert "or leave --ray out" in said


def test_another_service_listens() -> None:
    with (
        listening(200, b"hello") as (address, sent),
        pytest.raises(ServiceStartError, match="the service on that port is not the dashboard of Ray"),
    ):
        JobServer(address)
    assert sent == [None], "no token is sent before it is asked for"


def test_a_token_is_sent_only_where_it_was_named_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aen_service.job_server.is_own_cluster", lambda _: False)  # of another user
    with listening(401, b"") as (address, sent):
        with pytest.raises(ServiceStartError, match="requires a token, and none is named; name a file that contains"):
            JobServer(address)
        assert sent == [None]
        monkeypatch.setenv("RAY_AUTH_TOKEN", "named")
        with pytest.raises(ServiceStartError, match=r"refuses the token of \$RAY_AUTH_TOKEN"):
            JobServer(address)
        assert sent == [None, None, "Bearer named"]


def test_an_own_cluster_gets_the_token_of_the_home_folder() -> None:
    with listening(401, b"") as (address, sent), pytest.raises(ServiceStartError, match="refuses the token of"):
        JobServer(address)
    assert sent == [None, f"Bearer {TOKEN}"], "this process listens there, which is this user's"


def test_an_unknown_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_MODE", "on")
    with pytest.raises(AuthError, match="RAY_AUTH_MODE is 'on'"):
        JobServer("http://127.0.0.1:9")


@pytest.mark.slow
@NEEDS_DASHBOARD
def test_a_search_runs_on_a_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    token = secrets.token_hex(32)
    monkeypatch.setenv("RAY_AUTH_TOKEN", token)
    with cluster(token) as address, serving(tmp_path / "runs", ray=address) as (service, client):
        given = {"preset": "digits", "overrides": SMALL}
        found = client.post("/api/v1/searches", json=given).json()
        found = wait_for(client, found["id"], {"complete", "failed", "lost"}, 240)
        assert found["state"] == "complete", found["message"]
        run = service.settings.root / service.searches.get(found["id"]).path
        assert "kind: ray" in (run / "config.yaml").read_text()
        assert token not in (run / "config.yaml").read_text()

        long = client.post("/api/v1/searches", json={"preset": "digits", "overrides": {"training.epochs": 900}}).json()
        record = service.searches.get(long["id"])
        deadline = time.monotonic() + 120
        while not (service.settings.root / record.path / "log.jsonl").exists():
            assert time.monotonic() < deadline
            time.sleep(0.1)
        client.post(f"/api/v1/searches/{long['id']}/stop")
        found = wait_for(client, long["id"], {"complete", "failed", "lost", "stopped"}, 120)
        assert (found["state"], found["message"]) == ("stopped", None)
        service.jobs.address = "http://127.0.0.1:9"
        service.jobs._http.base_url = "http://127.0.0.1:9"
        with pytest.raises(UnavailableError, match="cannot connect to Ray at"):
            service.launcher.find(service.searches.get(long["id"]))
