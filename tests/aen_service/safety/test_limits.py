"""Limits: of bodies, of time, of connections, and of what a token asks for at the same time."""

import json
import socket
import threading
import time
from contextlib import closing, suppress

import httpx
import pytest
from helpers.services import bearer, serving

from aen_service.errors import QuotaError, ServiceError
from aen_service.limits import RequestLimits, check_json
from aen_service.settings import Limits

SEARCHES = "/api/v1/searches"
DEEPEST = Limits().json_depth


def post(target, content, **headers):
    given = {"Content-Type": "application/json", **bearer(target.operator), **headers}
    return target.client.post(SEARCHES, content=content, headers=given)


@pytest.mark.parametrize("chunked", [False, True])
def test_a_large_body_is_refused(target, chunked):
    most = Limits().body_bytes
    for size, status in {most + 1: 413, most: 422}.items():
        content = b'{"preset": "%s"}' % (b"x" * (size - 14))
        answer = post(target, iter([content[:500], content[500:]]) if chunked else content)
        assert answer.status_code == status
        assert answer.json()["detail"]


def test_a_log_in_is_small(target):
    answer = target.client.post("/api/v1/session", json={"token": "x" * 5000})
    assert answer.status_code == 413


@pytest.mark.parametrize("coding", ["gzip", "br", "deflate", "gzip, identity", "x"])
def test_a_compressed_body_is_refused(target, coding):
    answer = post(target, b"{}", **{"Content-Encoding": coding})
    assert answer.status_code == 415
    assert answer.json()["argument"] == "content-encoding"


def test_nested_brackets_are_bounded(target):
    for opening, closing_, inner in (("[", "]", ""), ('{"a":', "}", '""')):
        for depth, refused in {DEEPEST: False, DEEPEST + 1: True, 100_000: True}.items():
            content = b'{"config": %s}' % (opening * (depth - 1) + inner + closing_ * (depth - 1)).encode()
            answer = post(target, content)
            assert answer.status_code == (400 if refused else 422)
            assert (f"deeper than {DEEPEST}" in answer.json()["detail"]) == refused
    mixed = b'{"config": %s""%s}' % (b'[{"a":' * (DEEPEST // 2), b"}]" * (DEEPEST // 2))
    assert post(target, mixed).status_code == 400
    assert post(target, b"[" * 200_000).status_code == 400
    assert post(target, b'{"preset": "%s"}' % (b"[" * 1000)).status_code == 422  # of a text they are no brackets


@pytest.mark.parametrize("text", ['"\\ud800"', '"\\u0000"', "NaN", "Infinity", "-Infinity", '"\\udfff\\ud800"'])
def test_values_that_are_no_json_are_refused(target, text):
    for content in (f'{{"preset": {text}}}', f'{{"preset": "digits", "overrides": {{"seed": {text}}}}}'):
        answer = post(target, content.encode())
        assert answer.status_code == 400
        assert answer.json()["detail"]


@pytest.mark.parametrize("text", ['"\\ud83d\\ude00"', '"NaN"', '"\\\\u0000"', '"\\u00e4"', '"\\\\\\\\u0000"'])
def test_texts_that_look_like_such_values_are_taken(text):
    check_json(f'{{"a": {text}}}'.encode(), DEEPEST)


@pytest.mark.parametrize(
    "content",
    [b"\xff\xfe{\x00}\x00", b"\x00", '{"preset": "digits"}'.encode("utf-16"), b'{"preset": "\xff"}', b"{", b""],
)
def test_nonsense_is_said_to_be_none(target, content):
    answer = post(target, content)
    assert answer.status_code in {400, 422}
    assert answer.json()["detail"]


@pytest.mark.parametrize("unit", [b'"\\"', b"\\", b'"', b"[]", b"[", b'"a', b'\\"', b"[{", b"\\u0000", b"NaN"])
def test_no_text_makes_the_check_slow(unit):
    def seconds(size):
        started = time.process_time()
        with suppress(ServiceError):
            check_json(b'"' + unit * (size // len(unit)), DEEPEST)
        return time.process_time() - started

    # A time that grows with the square of the length would be a million times longer for the longer text.
    assert seconds(2**20) < 1000 * seconds(2**10) * 50 + 2


def test_fast_requests_of_a_token_are_bounded():
    limits = RequestLimits(None, Limits(requests=2, token_watchers=1, watchers=2))
    scope = {"method": "GET", "path": "/api/v1/searches"}
    stream = {"method": "GET", "path": "/api/v1/events"}
    with limits._counted(scope, "a"), limits._counted(scope, "a"):
        with pytest.raises(QuotaError, match="2 requests of this token"), limits._counted(scope, "a"):
            pass
        with limits._counted(scope, "b"), limits._counted(stream, "a"):
            assert limits.watchers == 1
            with pytest.raises(QuotaError, match="1 streams of this token"), limits._counted(stream, "a"):
                pass
            with (
                limits._counted(stream, "b"),
                pytest.raises(QuotaError, match="2 event streams are open"),
                limits._counted(stream, "c"),
            ):
                pass
    assert not limits._busy


def test_waiting_requests_are_counted_over_http(tmp_path):
    with serving(tmp_path / "runs", parallel=0, limits=Limits(requests=1)) as (service, client):
        entered, go_on = threading.Event(), threading.Event()
        found = service.searches.get

        def wait(search):
            entered.set()
            assert go_on.wait(60)
            return found(search)

        service.searches.get = wait
        answers = []
        path = f"{SEARCHES}/{'0' * 24}"
        first = threading.Thread(target=lambda: answers.append(client.get(path)))
        first.start()
        assert entered.wait(60)
        refused = client.get(SEARCHES)
        assert refused.status_code == 429
        assert refused.headers["retry-after"] == "1"
        other = bearer(service.tokens.add("other", "viewer")[1])
        assert client.get(SEARCHES, headers=other).status_code == 200
        go_on.set()
        first.join()
        assert answers[0].status_code == 404
        assert client.get(SEARCHES).status_code == 200


def read_all(connection):
    received = b""
    while data := connection.recv(65536):
        received += data
    return received


@pytest.mark.parametrize("sent", [b"", b"GET /healthz HTTP/1.1\r\nHost: local", b"\r\n", b"POST"])
def test_a_header_that_does_not_come_is_not_waited_for(tmp_path, sent):
    with (
        serving(tmp_path / "runs", parallel=0, limits=Limits(head_seconds=0.3)) as (service, _),
        closing(socket.create_connection(("127.0.0.1", service.settings.port), timeout=60)) as connection,
    ):
        connection.sendall(sent)
        answer = read_all(connection)  # ends when the server closes the connection
    assert answer == b"" if not sent else answer.startswith(b"HTTP/1.1 408")


def test_a_body_that_does_not_come_is_not_waited_for(tmp_path):
    with serving(tmp_path / "runs", parallel=0, limits=Limits(idle_seconds=0.3)) as (service, client):
        token = client.headers["Authorization"]
        for path in (SEARCHES, "/api/v1/datasets"):
            head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: {token}\r\nContent-Length: 1000\r\n"
            kind = "multipart/form-data; boundary=x" if "datasets" in path else "application/json"
            with closing(socket.create_connection(("127.0.0.1", service.settings.port), timeout=60)) as connection:
                connection.sendall(f"{head}Content-Type: {kind}\r\n\r\n{{".encode())
                answer = read_all(connection)
            assert answer[:13] in {b"HTTP/1.1 408 ", b"HTTP/1.1 422 "}, answer
            assert answer.count(b"HTTP/1.1 ") == 1
        assert client.get("/healthz").status_code == 200


def test_connections_are_bounded(tmp_path):
    with serving(tmp_path / "runs", parallel=0, limits=Limits(connections=3)) as (service, client):
        address = ("127.0.0.1", service.settings.port)
        opened = [socket.create_connection(address, timeout=60) for _ in range(3)]
        try:
            for connection in opened:
                connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
                assert connection.recv(9) == b"HTTP/1.1 "
            with closing(socket.create_connection(address, timeout=60)) as one_more:
                assert read_all(one_more).startswith(b"HTTP/1.1 503")
        finally:
            for connection in opened:
                connection.close()
        deadline = time.monotonic() + 60
        while True:
            try:
                assert client.get("/healthz").status_code == 200
                break
            except (httpx.TransportError, AssertionError):  # the server has not seen yet that they are closed
                assert time.monotonic() < deadline


@pytest.mark.parametrize("value", ["bytes=0-" + ",0-" * 60, "x" * 300])
def test_long_ranges_are_refused(target, value):
    answer = target.client.get(SEARCHES, headers={"Range": value, **bearer(target.operator)})
    assert answer.status_code == 431


@pytest.mark.parametrize(
    "kind", ["a/b" + ";" * 200, "application/json;" + "a=" * 100, ";" * 250, '"' * 250, "=;" * 120]
)
def test_no_content_type_makes_a_request_slow(target, kind):
    started = time.process_time()
    answer = post(target, b"{}", **{"Content-Type": kind})
    assert answer.status_code in {400, 415, 422}
    assert time.process_time() - started < 5


@pytest.mark.parametrize("path", ["/api/v1/searches?name=%00", "/api/v1/searches/%00", "/api/v1/sea%0arches", "/%7f"])
def test_control_characters_in_an_address_are_refused(target, path):
    assert target.client.get(path, headers=bearer(target.operator)).status_code == 400


def test_a_head_is_a_get_without_its_body(target):
    for path in (
        "/healthz",
        SEARCHES,
        f"{SEARCHES}/{target.search}",
        "/api/v1/openapi.json",
        "/login",
        "/api/v1/nothing",
    ):
        headers = bearer(target.operator)
        head, get = (target.client.request(method, path, headers=headers) for method in ("HEAD", "GET"))
        assert (head.status_code, head.content) == (get.status_code, b""), path
        assert head.headers.get("content-type") == get.headers.get("content-type")
        assert head.headers.get("content-length") == get.headers.get("content-length")


def test_the_head_of_an_event_stream_ends(target):
    answer = target.client.head(f"{SEARCHES}/{target.search}/events", headers=bearer(target.operator))
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-type"].startswith("text/event-stream")


def test_problems_are_json(target):
    answer = post(target, b"{}")
    assert json.loads(answer.content)["status"] == 422
