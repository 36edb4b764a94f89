"""Without a valid token nothing is shown, and with a viewer's nothing is changed: on every path, by every method."""

import hashlib
import re
import time

import pytest
import sqlalchemy as sa
from helpers.services import bearer

from aen_service.app import create_app
from aen_service.database import SEARCHES, SESSIONS

from .conftest import METHODS

OPEN = {"/healthz", "/login", "/api/v1/session"}
# By these a viewer asks something and changes nothing.
ASKING = {"/api/v1/groups/describe", "/api/v1/groups/classes", "/api/v1/session", "/api/v1/searches/check", "/logout"}


def closed(target):
    return [path for path in target.paths() if path not in OPEN and not path.startswith("/static")]


def revoked(target):
    token, secret = target.service.tokens.add("gone", "operator")
    target.service.tokens.revoke(token.id)
    return secret


def rows(target):
    return [tuple(row) for row in target.service.database.rows(sa.select(SEARCHES))]


def test_every_path_is_in_the_table(target):
    paths = target.client.get("/api/v1/openapi.json", headers=bearer(target.operator)).json()["paths"]
    known = {re.sub(r"\{[^}]*\}", "{}", path) for path in create_app(target.service).table.methods}
    assert len(paths) >= 8
    assert {re.sub(r"\{[^}]*\}", "{}", path) for path in paths} <= known


@pytest.mark.parametrize(
    "kind", ["none", "wrong", "empty", "other scheme", "revoked", "hash", "identifier", "twice", "in the query"]
)
def test_no_path_answers_without_a_valid_token(target, kind):
    token = target.service.tokens.add("valid", "operator")
    headers = {
        "none": {},
        "wrong": bearer("aen_" + "x" * 43),
        "empty": {"Authorization": "Bearer"},
        "other scheme": {"Authorization": f"Basic {token[1]}"},
        "revoked": bearer(revoked(target)),
        "hash": bearer(hashlib.sha256(token[1].encode()).hexdigest()),
        "identifier": bearer(token[0].id),
        "twice": [("Authorization", f"Bearer {token[1]}"), ("Authorization", "Bearer x")],
        "in the query": {},
    }[kind]
    query = {"token": token[1], "access_token": token[1]} if kind == "in the query" else None
    before = rows(target)
    # A token is looked for in the same way whatever the method.
    methods = METHODS if kind in ("none", "revoked") else ("GET", "POST", "DELETE")
    for path in closed(target):
        for method in methods:
            answer = target.client.request(method, path, headers=headers, params=query)
            assert answer.status_code == 401, (method, path)
            if method != "HEAD":
                assert answer.headers["content-type"] == "application/problem+json"
                assert answer.json()["title"] == "no valid token"
            assert answer.headers["www-authenticate"] == "Bearer"
            assert "victim" not in answer.text
    assert rows(target) == before


def test_open_paths_tell_nothing_either(target):
    assert target.client.get("/healthz").json() == {"status": "ok"}
    assert target.client.get("/api/v1/session").status_code == 401
    assert target.client.post("/api/v1/session", json={"token": "aen_" + "x" * 43}).status_code == 401
    assert target.client.delete("/api/v1/session").status_code == 200  # there is no session to be ended


def test_a_viewer_changes_nothing(target):
    viewer, before = target.headers("viewer"), rows(target)
    for path in closed(target):
        for method in METHODS:
            if method in {"GET", "HEAD", "OPTIONS"} or path in ASKING:
                continue
            assert target.client.request(method, path, headers=viewer, json={}).status_code == 403, (method, path)
    assert rows(target) == before


def test_a_viewer_sees(target):
    viewer = target.headers("viewer")
    assert target.client.get("/api/v1/searches", headers=viewer).json()["items"][0]["name"] == "victim"
    assert target.client.get(f"/api/v1/searches/{target.search}", headers=viewer).status_code == 200


def log_in(target, secret):
    answer = target.client.post("/api/v1/session", json={"token": secret})
    target.client.cookies.clear()
    return {"Cookie": answer.headers["set-cookie"].partition(";")[0]}


def test_a_session_ends_with_its_token(target):
    token, secret = target.service.tokens.add("short", "operator")
    cookie = log_in(target, secret)
    assert target.client.get("/api/v1/searches", headers=cookie).status_code == 200
    target.service.tokens.revoke(token.id)
    assert target.client.get("/api/v1/searches", headers=cookie).status_code == 401


def test_a_session_ends_by_itself_and_by_logging_out(target):
    for end in ("time", "out"):
        cookie = log_in(target, target.operator)
        assert target.client.get("/api/v1/session", headers=cookie).status_code == 200
        if end == "out":
            own = {"Origin": f"http://{target.client.base_url.netloc.decode()}"}
            assert target.client.delete("/api/v1/session", headers=cookie | own).status_code == 200
        else:
            with target.service.database.begin() as connection:
                connection.execute(SESSIONS.update().values(expires=time.time() - 1))
        assert target.client.get("/api/v1/session", headers=cookie).status_code == 401


def test_the_cookie_is_kept_from_scripts_and_other_sites(target):
    port = target.address[1]
    plain = target.client.post("/api/v1/session", json={"token": target.operator}).headers["set-cookie"]
    assert plain.startswith(f"aen_session_{port}=")  # services on other ports have cookies of their own
    origin = {"Origin": f"https://127.0.0.1:{port}"}
    behind_tls = target.client.post("/api/v1/session", json={"token": target.operator}, headers=origin)
    target.client.cookies.clear()
    assert behind_tls.headers["set-cookie"].startswith("__Host-aen_session=")
    assert "Secure" in behind_tls.headers["set-cookie"]
    for cookie in (plain, behind_tls.headers["set-cookie"]):
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert "Path=/" in cookie
        assert "Domain" not in cookie
        assert target.operator not in cookie
    assert "Secure" not in plain


@pytest.mark.parametrize("cookie", ["=", ";;;", "aen_session", '"', "a=" + "\\" * 15_000, "aen_session=" + "x" * 9000])
def test_bad_cookies_are_no_session(target, cookie):
    started = time.perf_counter()
    assert target.client.get("/api/v1/searches", headers={"Cookie": cookie}).status_code == 401
    assert time.perf_counter() - started < 2
