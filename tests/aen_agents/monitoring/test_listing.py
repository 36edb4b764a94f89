"""`aen list`, and how it finds runs."""

import io
import json
import re
import time
from datetime import timedelta
from pathlib import Path

import pytest
from helpers.watched_runs import a_status
from rich.console import Console

from aen._typing import JsonDict
from aen_agents.cli.main import main
from aen_agents.config import SearchConfig
from aen_agents.monitoring import RunView, find_runs, runs_table
from aen_agents.monitoring.status import Best, Children, now
from aen_agents.runs.folder import RunFolder
from aen_agents.text import command


def test_runs_are_listed_newest_first(
    folder: RunFolder, tiny_config: SearchConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = folder.path.parent
    a_status(folder.path, state="complete", updated=now() - timedelta(hours=3)).write(folder.path)
    deep = RunFolder.create(tiny_config, runs / "sweep" / "trials" / "two")
    a_status(deep.path, winner=Best(accuracy=0.9, group="C4", factors="rot90")).write(deep.path)
    (runs / "notes").mkdir()
    (runs / "presets").mkdir()
    (runs / "presets" / "config.yaml").write_text("name: no run")
    (runs / "file").write_text("")
    assert [view.path.name for view in find_runs(runs)] == ["two", "one"]
    assert main(["list", str(runs)]) == 0
    table = capsys.readouterr().out
    first, second = table.index("sweep/trials/two"), table.index("one ")
    assert first < second
    assert "C4 90.0%" in table
    assert "3 h" in table
    assert main(["list", str(runs), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [run["state"] for run in told] == ["running", "complete"]
    assert main(["list", str(folder.path)]) == 0
    assert "one " in capsys.readouterr().out


def test_runs_that_cannot_be_read_are_listed_with_the_reason(
    folder: RunFolder,
    tiny_config: SearchConfig,
    finished: tuple[RunFolder, JsonDict],
    capsys: pytest.CaptureFixture[str],
) -> None:
    runs = folder.path.parent
    folder.config_file.write_bytes(b"\x00\xff{{{")
    torn = RunFolder.create(tiny_config, runs / "torn")
    torn.summary_file.write_text('{"status": "comp')
    strange = RunFolder.create(tiny_config, runs / "strange")
    summary = json.loads(finished[0].summary_file.read_text()) | {"winner": 3}
    strange.summary_file.write_text(json.dumps(summary))
    RunFolder.create(tiny_config, runs / "unknown").version_file.write_text('{"version"')
    RunFolder.create(tiny_config, runs / "later").version_file.write_text('{"version": 7, "aen": "9.9"}')
    views = find_runs(runs)
    assert {view.path.name: view.state for view in views} == dict.fromkeys(
        ("one", "torn", "strange", "unknown"), "damaged"
    ) | {"later": "other version"}
    assert main(["list", str(runs)]) == 0
    out = capsys.readouterr().out
    assert "version: 7 " in out
    for view in views:
        assert view.message in out.splitlines()
        assert not re.search(r"Error|Errno|codec|Expecting|\bint\b", view.message or "")
    folders = [RunFolder.create(tiny_config, runs / f"more-{number}") for number in range(2)]
    for more in folders:
        more.version_file.write_text("[]")
    assert main(["list", str(runs)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "2 more cannot be read; see --json for the reasons"


def test_no_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["list"]) == 0
    assert f"no runs in runs; `{command()} search CONFIG` starts one" in capsys.readouterr().out
    assert main(["list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []
    assert main(["list", "elsewhere"]) == 2
    assert "folder elsewhere does not exist; give the folder" in capsys.readouterr().err
    (tmp_path / "elsewhen").mkdir()
    assert main(["list", "elsewhere"]) == 2
    assert "folder elsewhere does not exist (did you mean elsewhen?); give the folder" in capsys.readouterr().err


def test_a_terminal_of_80_columns_shows_every_column() -> None:
    path = Path("runs/rates/trials/002-learning_rate-2.0e-05")
    best = Best(accuracy=0.167, group="C2xC2", factors="vflip + swap_lr")
    children = Children(done=1234, running=0, waiting=0, trained=1234, failed=0)
    told = {"agent": "exhaustive", "data": "digits", "age": 1400, "best": best, "children": children}
    views = [RunView(path, "stopped by the sweep", **told), RunView(path, "complete", winner=best, **told)]
    console = Console(width=80, file=io.StringIO())
    console.print(runs_table(views, Path("runs")))
    out = console.file.getvalue()
    assert all(
        f" {word}" in out for word in ("run ", "agent ", "data ", "state ", "children ", "best ", "winner ", "age ")
    )
    assert out.count(" 23 min") == 2


def test_a_thousand_runs_are_listed_fast(folder: RunFolder) -> None:
    a_status(folder.path, state="complete").write(folder.path)
    files = {name: (folder.path / name).read_text() for name in ("config.yaml", "status.json")}
    for number in range(1000):
        run = folder.path.parent / f"run-{number}"
        (run / "weights").mkdir(parents=True)
        for name, text in files.items():
            (run / name).write_text(text)
    begun = time.perf_counter()
    views = find_runs(folder.path.parent)
    assert time.perf_counter() - begun < 2
    assert [view.state for view in views] == ["complete"] * 1001
