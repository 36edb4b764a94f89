"""Tokens and passwords are in no answer, log or metric; nor are the server's folders in answers."""

import io
import logging
import re

import pytest
from helpers.services import bearer, serving

from aen._secrets import remember_address
from aen_service.secret_text import SafeFormatter, hide_folders


@pytest.fixture
def log():
    """What `aen serve` would write to its log."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(SafeFormatter("%(levelname)s %(message)s"))
    root, level = logging.getLogger(), logging.getLogger("aen_service").level
    root.addHandler(handler)
    logging.getLogger("aen_service").setLevel(logging.INFO)
    yield stream
    root.removeHandler(handler)
    logging.getLogger("aen_service").setLevel(level)


def test_no_answer_and_no_line_of_the_log_has_a_token(target, log):
    secret, wrong = target.operator, "aen_" + "w" * 43
    answers = []

    def ask(method, path, **more):
        answers.append(target.client.request(method, path, **more).text)

    for token in (secret, wrong):
        for path in (f"/api/v1/{token}", f"/api/v1/searches/{token}", f"/api/v1/searches?name={token}", f"/{token}/"):
            ask("GET", path, headers=bearer(secret))
            ask("GET", path)
        ask("POST", "/api/v1/session", json={"tokn": token})
        ask("POST", "/api/v1/session", json={"token": [token]})
        ask("POST", "/api/v1/session", json={"token": token * 5})
        ask("POST", "/api/v1/session", content=token, headers={"Content-Type": "application/json"})
        ask("POST", "/api/v1/session", json={"token": token})
        cookie = next(iter(target.client.cookies.values()), "")
        target.client.cookies.clear()
        ask("POST", "/api/v1/searches", json={"preset": token}, headers=bearer(secret))
        ask("POST", "/api/v1/searches", json={"preset": "digits", "overrides": {token: 1}}, headers=bearer(secret))
        ask("GET", "/healthz", headers={"Host": token})
        ask("PUT", f"/api/v1/searches?token={token}", headers=bearer(token))
    ask("GET", "/metrics", headers=bearer(secret))
    ask("GET", "/api/v1/openapi.json", headers=bearer(secret))
    for text in (*answers, log.getvalue()):
        assert secret not in text
        assert wrong not in text
        assert not cookie or cookie not in text
    assert "GET /api/v1/aen_*** 404" in log.getvalue()
    assert "name=" not in log.getvalue()


def test_a_fault_of_the_service_is_told_to_its_log_alone(target, log, monkeypatch):
    remember_address("postgresql://ann:geheim-geheim@db/x")

    def broken(*_):
        raise RuntimeError("geheim-geheim postgresql://ann:geheim-geheim@db/x aen_" + "s" * 43)

    monkeypatch.setattr(target.service.searches, "get", broken)
    answer = target.client.get(f"/api/v1/searches/{target.search}", headers=bearer(target.operator))
    assert answer.status_code == 500
    assert answer.json()["detail"] == "the service failed; its log says why."
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "Traceback" in log.getvalue()
    assert "RuntimeError" in log.getvalue()
    assert "geheim-geheim" not in log.getvalue()
    assert "s" * 43 not in log.getvalue()
    assert log.getvalue().count("Traceback") == 1


def test_lines_of_the_log_are_not_forged(target, log):
    for path in ("/x%0aINFO%20forged", "/x%1b[2J", "/x%e2%80%ae", "/" + "x" * 3000):
        target.client.get(path, headers=bearer(target.operator))
    lines = log.getvalue().splitlines()
    assert not [line for line in lines if line.startswith("INFO forged")]
    assert "\x1b" not in log.getvalue()
    assert "\u202e" not in log.getvalue()
    assert max(map(len, lines)) < 1000


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("ROOT/x/config.yaml cannot be read", "runs/x/config.yaml cannot be read"),
        ("see 'ROOT': full", "see 'runs': full"),
        ("ROOT2/x", "ROOT2/x"),
        ("/other/place", "/other/place"),
    ],
)
def test_folders_are_hidden(tmp_path, text, shown):
    root = tmp_path / "deep" / "runs"
    assert hide_folders(text.replace("ROOT", str(root)), root) == hide_folders(shown.replace("ROOT", str(root)), root)
    assert "runs" in hide_folders(f"{root}/x", root)
    assert str(root) not in hide_folders(f"{root}/x", root)


def figures(client):
    text = client.get("/metrics").text
    return dict(re.findall(r"^(\w+(?:\{[^}]*\})?) (\S+)$", text, re.MULTILINE))


def test_metrics(tmp_path):
    with serving(tmp_path / "runs", parallel=0) as (service, client):
        viewer = bearer(service.tokens.add("prometheus", "viewer")[1])
        answer = client.get("/metrics", headers=viewer)
        assert answer.headers["content-type"].startswith("text/plain; version=")
        client.post("/api/v1/searches", json={"preset": "digits"})
        search = client.get("/api/v1/searches").json()["items"][0]["id"]
        for _ in range(3):
            client.get(f"/api/v1/searches/{search}")
        client.get("/api/v1/nothing/" + "x" * 50)
        client.request("PROPFIND", "/api/v1/searches")
        found = figures(client)
        assert found['aen_searches{state="queued"}'] == "1.0"
        assert found['aen_searches{state="running"}'] == "0.0"
        assert found["aen_queue_length"] == "1.0"
        assert found["aen_watchers"] == "0.0"
        route = 'method="GET",route="/api/v1/searches/{search}"'
        text = client.get("/metrics").text
        assert f'aen_http_requests_total{{{route},status="200"}} 3.0' in text
        assert f"aen_http_request_seconds_count{{{route}}} 3.0" in text
        assert 'route="unmatched",status="404"' in text
        assert "x" * 50 not in text  # a client cannot make labels
        assert "PROPFIND" not in text
        assert float(found["process_resident_memory_bytes"]) > 1e7


def test_readiness_says_why_not(tmp_path, monkeypatch):
    with serving(tmp_path / "runs", parallel=0) as (service, client):
        assert client.get("/readyz").json() == {"status": "ready"}
        with monkeypatch.context() as patched:
            patched.setattr("tempfile.TemporaryFile", _full)
            answer = client.get("/readyz")
        assert answer.status_code == 503
        assert answer.json()["detail"] == "the root cannot be written: No space left on device; make room or repair it."
        with service.database.begin() as connection:
            connection.exec_driver_sql("drop table aen_service")
        answer = client.get("/readyz")
        assert answer.status_code == 503
        assert "database of the service cannot be used now" in answer.json()["detail"]
        assert client.get("/healthz").status_code == 200


def _full(*_, **__):
    raise OSError(28, "No space left on device")
