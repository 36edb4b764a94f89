"""What pages of other sites, and names of other hosts, can make of a browser: nothing."""

import pytest
from helpers.services import bearer, serving

from aen_service.headers import SECURITY_HEADERS

from .conftest import METHODS

OTHER_HOSTS = [
    "evil.example",
    "evil.example:8700",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "evil.example@localhost",
    "localhost@evil.example",
    "localhost#evil.example",
    "localhost/evil",
    "localhost:80:80",
    "localhost:",
    "10.0.0.1",
    "[::2]",
    "0.0.0.0",  # noqa: S104 - a name in a header
    "2130706433",
    "%6cocalhost",
    "localhost.",
    "",
]
CROSS_SITE = ["https://evil.example", "null", "http://127.0.0.1:1", "http://localhost", "file://", "127.0.0.1", ""]


@pytest.fixture
def cookie(target):
    answer = target.client.post("/api/v1/session", json={"token": target.operator})
    target.client.cookies.clear()
    return {"Cookie": answer.headers["set-cookie"].partition(";")[0]}


@pytest.mark.parametrize("host", OTHER_HOSTS)
def test_other_names_of_the_host_are_refused(target, host):
    for path in ("/healthz", "/login", "/api/v1/searches", "/static/x"):
        for given in (bearer(target.operator), {}):
            answer = target.client.get(path, headers={"Host": host, **given})
            assert answer.status_code == 403, path
            assert answer.json()["argument"] == "host"


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:1234", "[::1]:8700", "LOCALHOST:80"])
def test_names_of_this_machine_are_taken(target, host):
    assert target.client.get("/api/v1/searches", headers={"Host": host, **bearer(target.operator)}).status_code == 200


def test_headers_of_proxies_are_no_names_of_the_host(target):
    forged = {"X-Forwarded-Host": "localhost", "Forwarded": "host=localhost", "X-Forwarded-For": "127.0.0.1"}
    answer = target.client.get("/healthz", headers={"Host": "evil.example", **forged})
    assert answer.status_code == 403
    honest = target.client.get("/healthz", headers={"X-Forwarded-Host": "evil.example"})
    assert honest.status_code == 200


def test_a_name_can_be_allowed_and_addresses_where_others_reach_the_service(tmp_path):
    settings = {"hosts": ("aen.example.org",), "host": "0.0.0.0"}  # noqa: S104 - it listens on the loopback all the same
    with serving(tmp_path / "runs", **settings) as (_, client):
        for host, status in {
            "AEN.example.org": 200,
            "10.0.0.1:8700": 200,
            "[fe80::1]": 200,
            "evil.example": 403,
        }.items():
            assert client.get("/api/v1/searches", headers={"Host": host}).status_code == status, host


@pytest.mark.parametrize("origin", [*CROSS_SITE, None])
def test_a_page_of_another_site_changes_nothing_with_the_cookie(target, cookie, origin):
    given = {} if origin is None else {"Origin": origin}
    for path in target.paths():
        if path in {"/healthz", "/login"} or path.startswith("/static"):
            continue
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            if origin is None and path == "/api/v1/session":
                continue
            answer = target.client.request(method, path, headers=cookie | given, data={"name": "x"})
            assert answer.status_code == 403, (method, path)
    assert target.client.get("/api/v1/session", headers=cookie).status_code == 200


@pytest.mark.parametrize("origin", CROSS_SITE)
def test_a_page_of_another_site_cannot_log_in_nor_use_a_token(target, origin):
    secret = {"token": target.operator}
    assert target.client.post("/api/v1/session", json=secret, headers={"Origin": origin}).status_code == 403
    given = bearer(target.operator) | {"Origin": origin}
    assert target.client.post("/api/v1/searches", json={"preset": "digits"}, headers=given).status_code == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site", "nonsense"])
def test_the_cookie_is_for_pages_of_this_server(target, cookie, site):
    for mode, status in {"cors": 403, "no-cors": 403, "navigate": 200}.items():
        fetch = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": mode}
        assert target.client.get("/api/v1/searches", headers=cookie | fetch).status_code == status, mode


def test_a_page_of_this_server_may_change(target, cookie):
    own = {"Origin": f"http://{target.client.base_url.netloc.decode()}", "Sec-Fetch-Site": "same-origin"}
    answer = target.client.post("/api/v1/searches", json={"preset": "nonsense"}, headers=cookie | own)
    assert answer.status_code == 422


def test_every_response_protects_the_browser_and_none_is_for_other_sites(target):
    asked = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    for headers in ({}, bearer(target.operator)):
        for path in [*target.paths(), "/healthz", "/static/nothing.js", "/x/y"]:
            if path.endswith("events") and headers:
                continue
            for method in ("GET", "PUT") if headers else METHODS:
                answer = target.client.request(method, path, headers=headers | asked)
                for name in SECURITY_HEADERS:
                    assert answer.headers.get(name), (method, path, name)
                policy = answer.headers["content-security-policy"]
                assert "unsafe-inline" not in policy.partition("style-src")[0]
                assert "unsafe-eval" not in policy
                assert not [name for name in answer.headers if name.startswith("access-control")]
                assert answer.headers["cache-control"]
                if path.startswith("/api/"):
                    assert "no-store" in answer.headers["cache-control"], (method, path)


def test_the_default_policy_allows_no_inline_scripts(target):
    policy = target.client.get("/healthz").headers["content-security-policy"]
    wanted = {"default-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"}
    assert wanted | {"object-src 'none'"} == set(policy.split("; "))
