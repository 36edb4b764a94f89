"""Files of a run: those of a list, no link is followed, parts of them, and the report without scripts."""

import pytest
from helpers.made_runs import make_run

OTHERS = [
    *("config.yaml", "run.json", "results.sqlite", "status.json", "agent/dqn.zip", "weights/x.safetensors"),
    *(
        "../made/summary.json",
        "%2e%2e/made/report.html",
        "..%2fmade%2freport.html",
        "%252e%252e/x",
        "..\\report.html",
    ),
    *(
        "best%2f..%2freport.html",
        "/etc/passwd",
        "%2fetc%2fpasswd",
        "report.html%00",
        "best//spec.json",
        "%2e%2freport.html",
    ),
    *("report.html;x", "best/spec.json/", "REPORT.HTML", "%2e%2freport.html"),
]
PARTS = [
    ("bytes=0-3", 206, "0123"),
    ("bytes=4-", 206, "456789"),
    ("bytes=-2", 206, "89"),
    ("bytes=5-100", 206, "56789"),
    ("bytes=-100", 200, "0123456789"),
    ("bytes=0-1,4-5", 200, "0123456789"),
    ("items=0-1", 200, "0123456789"),
    ("bytes=10-", 416, None),
    ("bytes=7-3", 416, None),
    ("bytes=-0", 416, None),
]


@pytest.fixture
def path(service, run, keys):  # noqa: ARG001 - they are there first
    (run / "best").mkdir()
    (run / "best" / "spec.json").write_text("0123456789")
    (run / "report.html").write_text("<style>b{}</style><script>1</script>")
    return f"/api/v1/searches/{service.searches.where()[0].id}"


def test_the_files_that_are_there_are_listed(client, path):
    found = client.get(f"{path}/files").json()
    assert [each["name"] for each in found["items"]] == ["report.html", "history.jsonl", "log.jsonl", "best/spec.json"]
    assert found["items"][3]["bytes"] == 10
    answer = client.get(f"{path}/files/best/spec.json")
    assert (answer.text, answer.headers["content-type"]) == ("0123456789", "application/json")
    assert answer.headers["content-disposition"] == 'attachment; filename="made-best-spec.json"'
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_other_files_are_not_there(client, path):
    for name in OTHERS:
        answer = client.get(f"{path}/files/{name}")
        assert answer.status_code in {400, 404, 405}, (name, answer.text)
        assert "0123456789" not in answer.text, name
        assert "digits" not in answer.text, name


@pytest.mark.parametrize("linked", ["best/spec.json", "best"])
def test_links_are_not_followed(client, run, path, tmp_path, linked):
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "spec.json").write_text("secret")
    target = run / linked
    if linked == "best":
        (run / "best" / "spec.json").unlink()
        target.rmdir()
        target.symlink_to(secret)
    else:
        target.unlink()
        target.symlink_to(secret / "spec.json")
    assert client.get(f"{path}/files/best/spec.json").status_code == 404
    assert "best/spec.json" not in client.get(f"{path}/files").text


def test_parts_of_a_file(client, path):
    for asked, status, content in PARTS:
        answer = client.get(f"{path}/files/best/spec.json", headers={"Range": asked})
        assert answer.status_code == status, asked
        if status == 416:
            assert answer.headers["content-range"] == "bytes */10", asked
        else:
            assert answer.text == content, asked


def test_a_file_that_the_client_has_is_not_sent_again(client, path):
    tag = client.get(f"{path}/files/best/spec.json").headers["etag"]
    answer = client.get(f"{path}/files/best/spec.json", headers={"If-None-Match": tag})
    assert (answer.status_code, answer.content) == (304, b"")
    old = client.get(f"{path}/files/best/spec.json", headers={"Range": "bytes=0-1", "If-Range": '"other"'})
    assert (old.status_code, old.text) == (200, "0123456789")


def test_the_report_may_run_nothing(client, path):
    answer = client.get(f"{path}/report")
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:")
    assert "script-src" not in policy
    assert answer.headers["content-disposition"].startswith("inline")
    assert answer.text.startswith("<style>")


def test_what_is_not_there_yet_is_said(client, path):
    answer = client.get(f"{path}/summary")
    assert (answer.status_code, answer.json()["detail"]) == (404, "the search is complete and has no summary yet.")
    assert client.get(f"{path}/files/summary.json").status_code == 404


@pytest.mark.slow
def test_an_export_of_a_run_without_a_network_says_why(client, viewer, path):
    answer = client.post(f"{path}/exports", json={"format": "onnx"})
    assert answer.status_code == 409
    assert "best" in answer.json()["detail"]
    assert client.post(f"{path}/exports", json={"format": "pickle"}).json()["argument"] == "format"
    assert client.post(f"{path}/exports", json={"format": "pt2"}, headers=viewer).status_code == 403


def test_names_of_folders_cannot_break_a_header(service, client):
    make_run(service.settings.root / 'a"b\nc; ü')
    service.index.step(find=True)
    search = service.searches.where()[0].id
    answer = client.get(f"/api/v1/searches/{search}/files/history.jsonl")
    assert answer.headers["content-disposition"] == 'attachment; filename="a_b_c_history.jsonl"' or (
        answer.headers["content-disposition"].count('"') == 2
    )
