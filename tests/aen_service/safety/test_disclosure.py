"""What a viewer is shown names no folder of the server's disk, no process and no host that runs a search."""

import httpx
import pytest
from helpers.made_runs import append_event, make_run
from helpers.services import bearer, serving
from helpers.watched_runs import a_status

from aen_service.app import create_app

HOST, PID = "host-of-the-search", 987_654_321


@pytest.fixture
def root(tmp_path):
    return tmp_path / "höhle" / "runs"


@pytest.fixture
def service_and_client(root):
    run, store = root / "made", str(root / ".aen-service" / "results.sqlite")
    make_run(run, state="failed")
    status = a_status(run, state="failed", host=HOST, pid=PID, message=f"{run}/history.jsonl cannot be read")
    status.write(run)
    append_event(run, "started", pid=PID, host=HOST, agent="dqn", store=store)
    append_event(run, "notice", text=f"the disk of {run} is full")
    append_event(run, "worker_logged", worker="w1", what="started", node="node1", detail=f"pid {PID}")
    failed = {"key": "k", "worker": "w1", "what": "failed", "status": "error", "seconds": 1.0}
    append_event(run, "child_logged", **failed, detail=f"Traceback: {root}/x.py on {HOST}")
    append_event(run, "ended", pid=PID, host=HOST, state="failed", message=f"{run}/x cannot be read")
    (run / "best").mkdir()
    (run / "best" / "spec.json").write_text("{}")
    with serving(root, parallel=0) as (service, client):
        service.index.step(find=True)
        client.headers.update(bearer(service.tokens.add("looker", "viewer")[1]))
        yield service, client


def pages_of(service, search):
    """Return every path that is read, and the parts of the page of a search."""
    for path, methods in create_app(service).table.methods.items():
        if "GET" in methods and "{name" not in path:
            yield path.replace("{search}", search)
    yield from (f"/searches/{search}?view={view}" for view in ("classes", "agent", "workers", "log", "failures"))
    yield from (f"/api/v1/searches/{search}/log?after=0", f"/api/v1/compare?search={search}&search={search}")
    yield from (f"/api/v1/searches/{search}/files/{name}" for name in ("log.jsonl", "best/spec.json", "../config.yaml"))


def test_no_answer_names_a_folder_a_process_or_a_host(service_and_client, root):
    service, client = service_and_client
    search = client.get("/api/v1/searches").json()["items"][0]["id"]
    seen = 0
    for path in pages_of(service, search):
        text = streamed(client, path) if path.endswith("/events") else client.get(path).text
        for secret in (str(root.parent), r"h\u00f6hle", HOST, str(PID)):
            assert secret not in text, f"{path}: {text[max(0, text.find(secret) - 200) :][:400]}"
        seen += "the disk of runs/made is full" in text
    assert seen >= 3  # log, events and page: what happened is told, without the folder


def streamed(client: httpx.Client, path: str) -> str:
    text = ""
    with client.stream("GET", f"{path}?after=0") as answer:
        for part in answer.iter_text():
            text += part
            if "event: search" in text and ("event: ended" in text or path == "/api/v1/events"):
                break
    return text


def test_the_log_as_a_file_is_for_operators(service_and_client):
    service, viewer = service_and_client
    search = viewer.get("/api/v1/searches").json()["items"][0]["id"]
    path = f"/api/v1/searches/{search}/files"
    assert "log.jsonl" not in {file["name"] for file in viewer.get(path).json()["items"]}
    refused = viewer.get(f"{path}/log.jsonl")
    assert (refused.status_code, "GET .../log has its events" in refused.json()["detail"]) == (403, True)
    operator = bearer(service.tokens.add("ann", "operator")[1])
    assert "log.jsonl" in {file["name"] for file in viewer.get(path, headers=operator).json()["items"]}
    assert HOST in viewer.get(f"{path}/log.jsonl", headers=operator).text
    failures = viewer.get(f"/api/v1/searches/{search}/failures", headers=operator).json()["items"]
    assert [failure["detail"][:9] for failure in failures] == ["Traceback"]
