"""`aen search --server`: bad input is refused in one line."""

from pathlib import Path

import pytest
from helpers.idle_searches import PROGRAM, end_all
from helpers.services import serving

from aen_service.main import main
from aen_service.searches import launcher


def run(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["search", *words]) == 2
    said = capsys.readouterr()
    assert "Traceback" not in said.out + said.err
    (line,) = said.err.splitlines()
    return line


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["digits", "--token-file", "x"], "--token-file is for a search on a service; name it by --server URL."),
        (["digits", "--server", "http://127.0.0.1:9", "--out", "x"], "--out cannot be used with --server"),
        (["--server", "http://127.0.0.1:9", "--data", "x"], "--data cannot be used with --server; upload the images"),
        (
            ["digits", "--server", "http://127.0.0.1:9", "--token-file", "/none"],
            "--token-file is '/none', which cannot",
        ),
        (["digits", "--server", "127.0.0.1:9"], "url is '127.0.0.1:9'; give one such as http://127.0.0.1:8700."),
        (["digits", "--server", "http://127.0.0.1:9"], "cannot connect to http://127.0.0.1:9"),
        (["--server", "http://127.0.0.1:9"], "no config is given; give a YAML file or the name of a preset"),
        (["digits", "x", "--server", "http://127.0.0.1:9"], "x"),
    ],
)
def test_bad_input_is_refused(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AEN_TOKEN", "t")
    assert said in run(capsys, *words)


def test_a_token_is_needed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AEN_TOKEN", raising=False)
    said = run(capsys, "digits", "--server", "http://127.0.0.1:9")
    assert "no token is given; set $AEN_TOKEN, or name a file that contains it (--token-file)" in said


def test_the_service_says_what_is_wrong_with_a_config(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launcher, "_PROGRAM", PROGRAM)
    with serving(tmp_path / "runs") as (service, _):
        url = f"http://127.0.0.1:{service.settings.port}"
        (tmp_path / "token").write_text(service.tokens.add("me", "operator")[1] + "\n")
        monkeypatch.delenv("AEN_TOKEN", raising=False)
        words = ("--server", url, "--token-file", str(tmp_path / "token"))
        assert "did you mean 'digits'" in run(capsys, "digit", *words).lower()
        assert "unknown key 'budget.childern'" in run(capsys, "digits", "budget.childern=3", *words)
        mine = tmp_path / "mine.yaml"
        mine.write_text("name: mine\nstore: x.sqlite\n")
        assert "config: store may not be set over HTTP" in run(capsys, str(mine), *words)
        mine.write_text("name: mine\nevaluator: {kind: ray}\n")
        assert "evaluator.kind is 'ray'; the service chooses what trains." in run(capsys, str(mine), *words)
        mine.write_text("name: mine\nbase: none.yaml\n")
        assert "base is 'none.yaml'" in run(capsys, str(mine), *words)
        assert service.searches.where() == []
        end_all(service)
