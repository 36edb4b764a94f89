"""No spelling of a path, and no link, leads to a file that is not meant to be seen."""

import socket
from contextlib import closing

import pytest
from helpers.services import bearer

from aen_service.app import create_app

SECRET = "what-must-not-be-seen"  # noqa: S105 - of no use
UP = [
    "../",
    "..\\",
    "%2e%2e/",
    "..%2f",
    "%2e%2e%2f",
    "..%5c",
    "%252e%252e%252f",
    "..;/",
    "....//",
    ".%2e/",
    "%c0%ae%c0%ae/",
    "..%00/",
    "%2e%2e%5c",
    "..%ef%bc%8f",
    "./../",
]
NAMES = [
    "config.yaml",
    "results.sqlite",
    "agent/dqn.zip",
    "log.jsonl/../config.yaml",
    "report.html%00.yaml",
    ".lock",
    "config.yaml%20",
    "CONFIG.YAML",
    "./config.yaml",
    "//config.yaml",
    "best/../config.yaml",
    "config.yaml;report.html",
    "report.html/../config.yaml",
    "%63onfig.yaml",
    "/etc/passwd",
    "%2fetc%2fpasswd",
    "file:///etc/passwd",
    "~root/.bashrc",
]


@pytest.fixture(scope="module", autouse=True)
def run(target):
    """The run folder of the search, with files that must not be shown."""
    folder = target.service.settings.root / target.service.searches.get(target.search).path
    (folder / "agent").mkdir(parents=True)
    (folder / "best").mkdir()
    outside = target.service.settings.root.parent / "outside.html"
    for file in (outside, folder / "config.yaml", folder / "results.sqlite", folder / "agent" / "dqn.zip"):
        file.write_text(SECRET)
    (folder / "report.html").symlink_to(outside)
    (folder / "summary.json").symlink_to(folder / "config.yaml")
    (folder / "best" / "child.json").symlink_to(outside)
    return folder


def raw(target, path):
    """Return the answer to a path exactly as it is written."""
    fields = f"Host: localhost\r\nAuthorization: Bearer {target.operator}\r\nConnection: close"
    head = f"GET {path} HTTP/1.1\r\n{fields}\r\n\r\n"
    with closing(socket.create_connection(target.address, timeout=60)) as connection:
        connection.sendall(head.encode())
        received = b""
        while data := connection.recv(65536):
            received += data
    return received


def with_parameter(target):
    """Yield each path with a parameter, up to it and after it."""
    for template, methods in create_app(target.service).table.methods.items():
        parts = template.split("/")
        for place, part in enumerate(parts):
            if part.startswith("{") and "GET" in methods and parts[-1] != "events":
                before = [target.search if one == "{search}" else "x" if one.startswith("{") else one for one in parts]
                yield "/".join(before[:place]), "/".join(before[place + 1 :])


def test_no_parameter_leads_out(target):
    tried = 0
    for before, after in with_parameter(target):
        for up in UP:
            path = f"{before}/{up * 6}etc/passwd" + (f"/{after}" if after else "")
            answer = raw(target, path)
            assert answer[9:10] == b"4", (path, answer[:200])
            assert b"root:" not in answer
            tried += 1
    assert tried > 100


def test_files_are_those_of_the_list(target):
    files = f"/api/v1/searches/{target.search}/files"
    listed = target.client.get(files, headers=bearer(target.operator))
    assert listed.status_code == 200
    assert SECRET not in listed.text
    for name in NAMES + [up * times + "config.yaml" for up in UP for times in (1, 2)]:
        answer = raw(target, f"{files}/{name}")
        assert answer[9:10] == b"4", (name, answer[:200])
        assert SECRET.encode() not in answer


def test_links_are_not_followed(target):
    search = f"/api/v1/searches/{target.search}"
    for path in (
        "files/report.html",
        "report",
        "summary",
        "files/summary.json",
        "files/best/child.json",
        "files/child.json",
    ):
        answer = raw(target, f"{search}/{path}")
        assert SECRET.encode() not in answer, path
        assert answer[9:10] == b"4", (path, answer[:200])


def test_a_report_is_in_a_sandbox(target, run):
    (run / "report.html").unlink()
    (run / "report.html").write_text("<script>alert(1)</script>")
    for path in ("report", "files/report.html"):
        answer = target.client.get(f"/api/v1/searches/{target.search}/{path}", headers=bearer(target.operator))
        assert answer.status_code == 200
        policy = answer.headers["content-security-policy"]
        assert "sandbox" in policy
        assert "allow-same-origin" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
