"""Pages as the server renders them, before any script."""

import re

import httpx
import pytest
from helpers.services import bearer

from aen_service.access import COOKIE
from aen_service.pages.static_files import static_files, static_url
from aen_service.service import Service

PAGES = ["/searches", "/searches/new", "/compare", "/datasets", "/groups"]


def add_search(service: Service, name: str = "found", **columns: object) -> str:
    values = {
        "path": name,
        "name": name,
        "state": "complete",
        "started": 1.0,
        "ended": 61.0,
        "request": {"preset": "digits"},
    } | columns
    return service.searches.add(**values).id


@pytest.mark.parametrize("path", [*PAGES, "/searches/abc", "/datasets/abc"])
def test_without_a_token_a_page_leads_to_the_log_in(html: httpx.Client, path: str) -> None:
    answer = html.get(f"{path}?sort=name", headers={"authorization": ""})
    assert answer.status_code == 303
    assert answer.headers["location"] == f"/login?next={path.replace('/', '%2F')}%3Fsort%3Dname"
    assert html.get("/login", headers={"authorization": ""}).status_code == 200


def test_programs_get_problems_not_pages(html: httpx.Client) -> None:
    answer = html.get("/searches", headers={"authorization": "", "accept": "*/*"})
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("path", PAGES)
def test_every_page_has_the_policy_and_no_inline_script_or_style(html: httpx.Client, path: str) -> None:
    answer = html.get(path)
    assert answer.status_code == 200
    policy = answer.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert not re.search(r"<script(?![^>]* src=)|<style|\sstyle=|\son\w+=|javascript:", answer.text)
    assert not re.search(r"""(?:src|href|action)=["'](?:https?:)?//""", answer.text)


@pytest.mark.parametrize(
    "given",
    ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "", "/\t/evil.example"],
)
def test_log_in_leads_to_no_other_server(html: httpx.Client, given: str) -> None:
    text = html.get("/login", params={"next": given} if "\t" not in given else {"next": "x"}).text
    assert 'name="next" value="/searches"' in text
    secret = html.headers["authorization"].split()[1]
    answer = html.post("/login", data={"token": secret, "next": given}, headers={"origin": str(html.base_url)})
    assert answer.status_code == 303
    assert answer.headers["location"] == "/searches"


def test_logging_in_and_out_by_forms(html: httpx.Client) -> None:
    own = {"origin": str(html.base_url)}
    secret = html.headers.pop("authorization").split()[1]
    wrong = html.post("/login", data={"token": "aen_wrong"}, headers=own)
    assert wrong.status_code == 401
    assert "this token is not valid" in wrong.text
    assert html.post("/login", data={"token": secret}, headers={"origin": "http://evil.example"}).status_code == 403
    assert html.post("/login", data={"token": secret}).status_code == 403  # no page of this server sends no origin
    right = html.post("/login", data={"token": secret, "next": "/groups"}, headers=own)
    assert (right.status_code, right.headers["location"]) == (303, "/groups")
    assert right.headers["set-cookie"].startswith(COOKIE)
    assert "HttpOnly" in right.headers["set-cookie"]
    assert html.get("/searches").status_code == 200
    # A link from elsewhere comes without the cookie; the page asks again with it.
    assert html.get("/login?session=1&next=/groups").headers["location"] == "/groups"
    assert html.post("/logout", headers=own).headers["location"] == "/login"
    assert html.get("/searches").status_code == 303


def test_a_viewer_sees_no_buttons_and_may_log_out(html: httpx.Client, service: Service, viewer: dict[str, str]) -> None:
    search = add_search(service, state="stopped")
    for path in ("/searches", f"/searches/{search}", "/datasets", "/searches/new"):
        viewers = html.get(path, headers=viewer).text
        for word in (">Resume<", ">Delete<", ">Clone<", ">Start the search<", ">Upload<", "view=failures"):
            assert word not in viewers, (path, word)
    assert ">Resume<" in html.get(f"/searches/{search}").text
    assert html.post(f"/searches/{search}/resume", headers=viewer).status_code == 403
    assert html.post("/searches/new", data={"preset": "digits"}, headers=viewer).status_code == 403
    assert html.get(f"/searches/{search}?view=failures", headers=viewer).status_code == 200
    secret = viewer["Authorization"].split()[1]
    html.headers.pop("authorization")
    own = {"origin": str(html.base_url)}
    html.post("/login", data={"token": secret}, headers=own)
    assert html.post("/logout", headers=own).status_code == 303


def test_the_list_is_filtered_sorted_and_paged_by_its_address(html: httpx.Client, service: Service) -> None:
    for number in range(60):
        add_search(
            service, f"run-{number:02}", state="failed" if number % 3 == 0 else "complete", accuracy=number / 100
        )
    first = html.get("/searches?sort=-accuracy").text
    assert re.findall(r">(run-\d\d)</a>", first)[:2] == ["run-59", "run-58"]
    assert 'aria-sort="descending"' in first
    assert "Page 1 of 2" in first
    second = html.get("/searches?sort=-accuracy&page=2").text
    assert re.findall(r">(run-\d\d)</a>", second)[-1] == "run-00"
    failed = html.get("/searches?state=failed&name=run-0").text
    assert sorted(re.findall(r">(run-\d\d)</a>", failed)) == ["run-00", "run-03", "run-06", "run-09"]
    assert "No search fits" in html.get("/searches?name=nothing").text
    assert html.get("/searches?sort=nonsense").status_code == 422


def test_the_first_page_says_what_to_do(html: httpx.Client) -> None:
    assert "No searches yet" in html.get("/searches").text
    assert html.get("/").headers["location"] == "/searches"


def test_names_are_text(html: httpx.Client, service: Service) -> None:
    add_search(service, "<script>alert(1)</script>\u202e\x1b[31m", agent='"><img src=x>')
    text = html.get("/searches").text
    assert "<script>alert" not in text
    assert "<img src=x" not in text
    assert "\x1b" not in text
    assert "\u202e" not in text


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/searches/nonsense", 404, "there is no search"),
        ("/datasets/nonsense", 404, ""),
        ("/nonsense", 404, "Not found"),
        ("/groups?rows=0", 422, "rows is"),
        ("/searches?page=0", 422, "page is"),
    ],
)
def test_errors_are_pages(html: httpx.Client, path: str, status: int, words: str) -> None:
    answer = html.get(path)
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("text/html")
    assert words.lower() in answer.text.lower()
    assert "Traceback" not in answer.text


def test_a_search_that_failed_says_why_first(html: httpx.Client, service: Service) -> None:
    search = add_search(service, state="failed", message="data.train is 0; give at least 1.")
    text = html.get(f"/searches/{search}").text
    assert text.index("data.train is 0; give at least 1.") < text.index("Learning curve")
    assert html.get(f"/searches/{search}?view=nonsense").status_code == 404


def test_a_long_error_is_shortened_and_can_be_opened(html: httpx.Client, service: Service) -> None:
    message = "it failed: " + "word " * 400 + "end"
    record = service.searches.add(path="x", name="x", state="failed", message=message, request={"preset": "digits"})
    text = html.get(f"/searches/{record.id}").text
    assert len(re.search(r'<p class="state-line">.*?</p>', text, re.DOTALL)[0]) < 700
    assert f"<summary>The whole message</summary>{message}</details>" in text


def test_static_files_are_kept_by_browsers_and_nothing_else_is_served(html: httpx.Client) -> None:
    html.headers.pop("authorization")
    for name, (content, _) in static_files().items():
        answer = html.get(static_url(name))
        assert answer.status_code == 200
        assert answer.content == content
        assert "immutable" in answer.headers["cache-control"]
        assert answer.headers["x-content-type-options"] == "nosniff"
    folder = static_url("style.css").rpartition("/")[0]
    for name in ("../router.py", "..%2frouter.py", "%2e%2e/router.py", "uplot", "", "style.css/", "LICENSE", "a%00"):
        assert html.get(f"{folder}/{name}").status_code in {303, 400, 404}, name
    assert html.get("/static/0000000000000000/style.css").status_code == 404


@pytest.mark.slow
def test_of_a_thousand_runs_one_page_is_sent(html: httpx.Client, service: Service) -> None:
    for number in range(1000):
        add_search(
            service, f"run-{number}", view={"stage": {"name": "explore", "done": 1, "total": 2, "unit": "classes"}}
        )
    answer = html.get("/searches?sort=name")
    assert answer.status_code == 200
    assert "1,000" in answer.text
    assert len(answer.content) < 150_000


def test_pages_are_compressed_and_streams_are_not(html: httpx.Client) -> None:
    assert html.get("/searches/new").headers["content-encoding"] == "gzip"
    with html.stream("GET", "/api/v1/events") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        assert "content-encoding" not in stream.headers


def test_a_viewers_token_sent_by_a_program_sees_the_page(html: httpx.Client, viewer: dict[str, str]) -> None:
    assert "· viewer" in html.get("/searches", headers=viewer).text
    assert html.get("/searches", headers=bearer("aen_" + "x" * 43)).status_code == 303
