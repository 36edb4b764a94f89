"""Server-sent events: every line once, also for clients that come back; slow ones are dropped."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack
from itertools import islice, takewhile

import httpx
import pytest
from helpers.event_streams import watching
from helpers.made_runs import append_event, make_run
from helpers.services import bearer, serving

import aen_service.api.events
import aen_service.live.streams
from aen_service.settings import Limits


@pytest.fixture
def run(service):
    folder = service.settings.root / "made"
    make_run(folder, children=3)
    service.index.step(find=True)
    return folder


@pytest.fixture
def path(service, run):
    del run  # it is there first
    return f"/api/v1/searches/{service.searches.where()[0].id}/events"


def lines(events, count):
    """Return the next events of the log."""
    return list(islice((each for each in events if each.event != "search"), count))


def test_a_stream_begins_with_the_search_and_goes_on_with_new_lines(client, path, run):
    with watching(client, path) as events:
        first = next(events)
        assert (first.event, first.id, first.data["name"]) == ("search", "3", "made")
        append_event(run, "notice", text="four")
        append_event(run, "notice", text="fünf\nfünf")
        found = lines(events, 2)
    assert [(each.id, each.event, each.data["text"]) for each in found] == [
        ("4", "notice", "four"),
        ("5", "notice", "fünf\nfünf"),
    ]


@pytest.mark.parametrize("last", [0, 1, 2])
def test_a_client_that_comes_back_gets_what_it_missed(client, path, run, last):
    with watching(client, path, **{"Last-Event-ID": str(last)}) as events:
        append_event(run, "notice", text="new")
        assert [each.id for each in lines(events, 4 - last)] == [str(number) for number in range(last + 1, 5)]
    with watching(client, f"{path}?after={last}") as events:
        assert [each.id for each in lines(events, 4 - last)] == [str(number) for number in range(last + 1, 5)]


def test_a_line_is_sent_once_it_is_whole(client, path, run):
    with (run / "log.jsonl").open("a") as log:
        log.write('{"event":"notice",')
        log.flush()
        with watching(client, path) as events:
            assert next(events).id == "3"
            log.write('"text":"whole"}\n')
            log.flush()
            found = lines(events, 1)
    assert [(each.id, each.data["text"]) for each in found] == [("4", "whole")]


def test_a_torn_line_that_is_cut_off_is_never_sent(client, path, run):
    size = (run / "log.jsonl").stat().st_size
    with (run / "log.jsonl").open("a") as log:
        log.write('{"event":"torn')
    with watching(client, path) as events:
        assert next(events).id == "3"
        os.truncate(run / "log.jsonl", size)  # as a search does that is resumed
        append_event(run, "notice", text="new")
        assert [(each.id, each.data["text"]) for each in lines(events, 1)] == [("4", "new")]


def test_many_watchers_at_different_places_get_every_line_once(client, path, run):
    with ExitStack() as stack:
        streams = []
        for number in range(30):
            streams.append((number % 4, stack.enter_context(watching(client, f"{path}?after={number % 4}"))))
            append_event(run, "notice", text=str(number))
        for after, events in streams:
            ids = [int(each.id) for each in lines(events, 33 - after)]
            assert ids == list(range(after + 1, 34))


def test_a_client_far_behind_reads_all_lines(client, path, run):
    with (run / "log.jsonl").open("a") as log:
        log.writelines(f'{{"event":"notice","text":"{number}{"x" * 500}"}}\n' for number in range(5000))
    with watching(client, f"{path}?after=0") as events:
        assert [int(each.id) for each in lines(events, 5003)] == list(range(1, 5004))


def test_the_stream_of_a_search_that_is_deleted_ends(client, path):
    search = path.split("/")[4]
    with watching(client, path) as events:
        assert next(events).event == "search"
        assert client.delete(f"/api/v1/searches/{search}").status_code == 204
        assert [(each.event, each.data) for each in events] == [("removed", {"id": search})]
    assert client.get(path).status_code == 404


def test_changes_of_the_search_are_sent(client, service, path):
    search = path.split("/")[4]
    with watching(client, path) as events:
        assert next(events).data["state"] == "complete"
        service.searches.update(search, state="failed", message="why")
        found = next(each for each in events if each.event == "search")
    assert (found.data["state"], found.data["message"]) == ("failed", "why")


def test_changes_of_the_list_are_sent_and_missed_ones_too(client, service, run):
    search = service.searches.where()[0].id
    with watching(client, "/api/v1/events") as events:
        service.searches.update(search, name="renamed")
        found = next(events)
        assert (found.event, found.data["id"], found.data["name"]) == ("search", search, "renamed")
    service.searches.update(search, name="again")
    with watching(client, "/api/v1/events", **{"Last-Event-ID": found.id}) as events:
        assert next(events).data["name"] == "again"
        service.searches.remove(search)
        gone = next(events)
    assert (gone.event, gone.data) == ("removed", {"id": search})
    assert run.is_dir()


def test_a_revoked_token_ends_its_streams(client, service, path, monkeypatch):
    monkeypatch.setattr(aen_service.live.streams, "_TOKEN_SECONDS", 0.0)
    monkeypatch.setattr(aen_service.live.streams, "KEEP_ALIVE_SECONDS", 0.05)
    token, secret = service.tokens.add("guest", "viewer")
    with watching(client, path, **bearer(secret)) as events:
        next(events)
        service.tokens.revoke(token.id)
        assert list(events) == []


@pytest.mark.parametrize("what", ["/api/v1/events", None])
def test_without_a_token_there_is_no_stream(client, path, what):
    assert httpx.get(f"{client.base_url}{what or path}").status_code == 401


def test_a_last_event_id_that_is_no_number_is_refused(client, path):
    for header in ("-1", "x", "1e3", "9" * 30):
        answer = client.get(path, headers={"Last-Event-ID": header})
        assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json"), header


def test_a_client_that_reads_nothing_is_dropped(tmp_path, monkeypatch):
    monkeypatch.setattr(aen_service.api.events, "SLOW_SECONDS", 0.3)
    with serving(tmp_path / "runs", limits=Limits(watchers=1)) as (service, client):
        run = tmp_path / "runs" / "made"
        make_run(run, children=1)
        with (run / "log.jsonl").open("a") as log:
            log.writelines(f'{{"event":"notice","text":"{"x" * 1000}"}}\n' for _ in range(20_000))
        service.index.step(find=True)
        path = f"/api/v1/searches/{service.searches.where()[0].id}/events"
        with socket.socket() as slow:
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            slow.connect(("127.0.0.1", client.base_url.port))
            head = f"GET {path}?after=0 HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: {client.headers['authorization']}"
            slow.sendall(f"{head}\r\n\r\n".encode())
            assert slow.recv(12) == b"HTTP/1.1 200"
            answers = (status_of(client, path) for _ in range(10_000))
            statuses = [*takewhile(lambda status: status != 200, answers)]
            assert {*statuses} <= {429}
            assert len(statuses) < 10_000, "it still has its place"


def status_of(client, path):
    with client.stream("GET", path) as answer:
        return answer.status_code


def test_a_server_that_was_killed_loses_and_doubles_nothing(tmp_path):
    run = tmp_path / "runs" / "made"
    make_run(run, children=3)
    program = "import sys; from aen_service.main import main; sys.exit(main())"
    command = [sys.executable, "-c", program, "serve", "--root", str(run.parent)]
    seen, token, search, port = [], "", "", "0"
    for start in range(2):
        process = subprocess.Popen(
            [*command, "--port", port], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        try:
            said = next(found for line in process.stderr if (found := re.search(r"at http://127\.0\.0\.1:(\d+)", line)))
            port = said[1]
            link = run.parent / ".aen-service" / "first-link.txt"
            token = token or link.read_text().partition("#")[2].strip()
            transport = httpx.HTTPTransport(retries=8)  # until it listens
            with httpx.Client(
                base_url=f"http://127.0.0.1:{port}", headers=bearer(token), transport=transport
            ) as client:
                while not search:
                    search = "".join(each["id"] for each in client.get("/api/v1/searches").json()["items"])
                last = str(seen[-1]) if seen else "0"
                with watching(client, f"/api/v1/searches/{search}/events", **{"Last-Event-ID": last}) as events:
                    next(events)
                    for _ in range(5):
                        append_event(run, "notice", text=json.dumps(start))
                    seen += [int(each.id) for each in lines(events, 4)]
                    process.send_signal(signal.SIGKILL)
                    process.wait()
        finally:
            process.kill()
            process.communicate()
    assert seen == list(range(1, len(seen) + 1))
    assert len(seen) == 8
