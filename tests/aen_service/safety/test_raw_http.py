"""Requests that no HTTP client sends: by sockets."""

import random
import socket
import time
from contextlib import closing

import pytest

LIMIT = 10.0


def exchange(target, *parts, seconds=LIMIT, end=False):
    """Return what the server sends until it closes the connection, or nothing comes for some time."""
    with closing(socket.create_connection(target.address, timeout=seconds)) as connection:
        received = b""
        try:
            for part in parts:
                connection.sendall(part)
            if end:
                connection.shutdown(socket.SHUT_WR)
            while data := connection.recv(65536):
                received += data
        except TimeoutError:
            received += b"<open>"
        except (ConnectionResetError, BrokenPipeError):
            pass
        return received


def request(target, line="GET /api/v1/searches HTTP/1.1", *fields, body=b"", close=True, token=True):
    lines = [line, "Host: localhost", *fields]
    lines += [f"Authorization: Bearer {target.operator}"] * token + ["Connection: close"] * close
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def status(answer):
    assert answer.startswith(b"HTTP/1.1 "), answer[:200]
    return int(answer.split()[1])


def alive(target):
    return target.client.get("/healthz").status_code == 200


@pytest.mark.parametrize(
    "line",
    [
        "GET http://evil.example/api/v1/searches HTTP/1.1",
        "GET http://localhost/api/v1/searches HTTP/1.1",
        "GET //evil.example/api/v1/searches HTTP/1.1",
        "OPTIONS * HTTP/1.1",
        "CONNECT evil.example:80 HTTP/1.1",
        "GET  HTTP/1.1",
        "GET /api/v1/searches HTTP/9.9",
        "GET /api/v1/searches",
        "get /api/v1/searches HTTP/1.1",
        "FOO /api/v1/searches HTTP/1.1",
        "GET /api/v1/searches\x00 HTTP/1.1",
        "GET /api/v1/se\u00e4rches HTTP/1.1",
        "PRI * HTTP/2.0",
        "GET api/v1/searches HTTP/1.1",
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
def test_bad_request_lines(target, line):
    answer = exchange(target, request(target, line))
    assert status(answer) in {400, 505}
    assert answer.count(b"HTTP/1.1 ") == 1
    assert b"victim" not in answer
    assert b"nosniff" in answer
    assert alive(target)


@pytest.mark.parametrize(
    "fields",
    [
        ["Content-Length: 5", "Transfer-Encoding: chunked"],
        ["Transfer-Encoding: chunked", "Transfer-Encoding: identity"],
        ["Transfer-Encoding: xchunked"],
        ["Transfer-Encoding : chunked"],
        ["Content-Length: 5", "Content-Length: 6"],
        ["Content-Length: +5"],
        ["Content-Length: -1"],
        ["Content-Length: 0x5"],
        ["Content-Length: 99999999999999999999999999"],
        ["X: a\rHost: evil.example"],
        ["X: a\x00b"],
        [" folded: x"],
        ["no colon"],
        ["Content-Length: 5\x0b"],
    ],
    ids=str,
)
def test_ambiguous_bodies_are_refused(target, fields):
    smuggled = b"0\r\n\r\nDELETE /api/v1/session HTTP/1.1\r\nHost: localhost\r\n\r\n"
    sent = request(target, "POST /api/v1/searches HTTP/1.1", *fields, body=smuggled, close=False)
    answer = exchange(target, sent, end=True)
    assert status(answer) in {400, 413}, answer[:300]
    assert answer.count(b"HTTP/1.1 ") == 1
    assert alive(target)


@pytest.mark.parametrize(
    "hosts", [[], ["Host: localhost", "Host: localhost"], ["Host: localhost", "Host: evil.example"]]
)
def test_the_host_is_named_once(target, hosts):
    lines = ["GET /api/v1/searches HTTP/1.1", *hosts, f"Authorization: Bearer {target.operator}", "Connection: close"]
    assert status(exchange(target, "\r\n".join(lines).encode() + b"\r\n\r\n")) == 400


def test_pipelined_requests_are_answered_in_order(target):
    first, second = request(target, close=False), request(target, "GET /healthz HTTP/1.1")
    answer = exchange(target, first + second)
    assert answer.count(b"HTTP/1.1 200") == 2
    assert answer.index(b"victim") < answer.index(b'{"status":"ok"}')


def test_a_request_after_a_refused_one_is_not_read(target):
    answer = exchange(target, b"BAD\r\n\r\n" + request(target))
    assert status(answer) == 400
    assert b"victim" not in answer


def test_fields_after_a_body_are_no_fields_of_the_header(target):
    body = b"2\r\n{}\r\n0\r\nAuthorization: Bearer " + target.operator.encode() + b"\r\n\r\n"
    fields = ("Transfer-Encoding: chunked", "Content-Type: application/json")
    answer = exchange(target, request(target, "POST /api/v1/searches HTTP/1.1", *fields, body=body, token=False))
    assert status(answer) == 401


@pytest.mark.parametrize(
    "piece", [b"X: y\r\n", b"X: " + b"y" * 5000 + b"\r\n", b"X" * 60_000], ids=["many", "long", "one"]
)
def test_a_header_without_end_is_refused(target, piece):
    answer = exchange(target, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n", *[piece] * 200)
    assert answer == b"" or status(answer) == 431  # or the connection was reset before the answer was read
    assert alive(target)


def test_a_long_header_or_address_is_refused(target):
    assert status(exchange(target, request(target, "GET /healthz HTTP/1.1", f"X: {'y' * 40_000}"))) == 431
    assert status(exchange(target, request(target, "GET /healthz HTTP/1.1", *["X: y"] * 120))) == 431
    assert status(exchange(target, request(target, f"GET /healthz?{'x' * 9000} HTTP/1.1"))) == 414
    assert status(exchange(target, request(target, f"GET /healthz?{'x' * 8000} HTTP/1.1"))) == 200


@pytest.mark.parametrize("name", ["Content-Type", "Range", "Host", "Origin"])
def test_fields_that_are_parsed_are_short(target, name):
    line = "POST /api/v1/searches HTTP/1.1"
    long = exchange(target, request(target, line, f"{name}: {'a/b;' * 1000}", "Content-Length: 2", body=b"{}"))
    assert status(long) in {400, 431}
    twice = exchange(target, request(target, line, f"{name}: x", f"{name}: x", "Content-Length: 2", body=b"{}"))
    assert status(twice) == 400


def test_long_chunk_extensions_are_refused(target):
    line, fields = "POST /api/v1/searches HTTP/1.1", ("Transfer-Encoding: chunked", "Content-Type: application/json")
    answer = exchange(target, request(target, line, *fields), b"2;x=", *[b"y" * 2**20] * 4)
    assert answer == b"" or status(answer) == 400
    pieces = b"".join(b"1\r\n%c\r\n" % c for c in b'{"presett": 1}') + b"0\r\n\r\n"
    assert status(exchange(target, request(target, line, *fields, body=pieces))) == 422


def test_an_upgrade_is_not_followed(target):
    for fields in (
        ("Connection: Upgrade, close", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: x"),
        ("Connection: Upgrade, HTTP2-Settings, close", "Upgrade: h2c", "HTTP2-Settings: x"),
    ):
        sent = request(target, "GET /api/v1/searches HTTP/1.1", *fields, close=False, token=False)
        answer = exchange(target, sent)
        assert status(answer) in {400, 401, 403}
    assert alive(target)


def test_an_answer_without_a_body_read_does_not_keep_the_connection(target):
    line = "POST /api/v1/searches HTTP/1.1"
    sent = request(target, line, "Content-Length: 100000", body=b"{", close=False, token=False)
    started = time.monotonic()
    answer = exchange(target, sent)
    assert status(answer) == 401
    assert not answer.endswith(b"<open>")
    assert time.monotonic() - started < LIMIT


def test_100_continue_is_not_sent_for_a_body_that_is_refused(target):
    fields = ("Expect: 100-continue", "Content-Length: 99999999")
    answer = exchange(target, request(target, "POST /api/v1/searches HTTP/1.1", *fields), seconds=5)
    assert status(answer) == 413


def test_nonsense_does_not_end_the_server(target):
    draw = random.Random(0)  # noqa: S311 - the same nonsense each time
    for _ in range(60):
        data = bytearray(request(target, body=b"0\r\n\r\n"))
        for _ in range(draw.randrange(1, 8)):
            at = draw.randrange(len(data))
            data[at : at + draw.randrange(4)] = draw.randbytes(draw.randrange(4))
        answer = exchange(target, bytes(data), seconds=0.5, end=True)
        assert b"HTTP/1.1 5" not in answer.replace(b"HTTP/1.1 505", b"")
        assert b"Traceback" not in answer
    assert alive(target)
