"""What a run's files say of it, whole or damaged."""

import json
import re
import shutil
import subprocess
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from helpers.watched_runs import a_status

from aen._processes import process_start
from aen._typing import JsonDict
from aen_agents.cli.main import main
from aen_agents.config import SearchConfig
from aen_agents.monitoring import view_run
from aen_agents.monitoring.status import now
from aen_agents.runs.folder import RunFolder


def test_a_process_that_was_killed_is_noticed(
    folder: RunFolder, sleeper: "subprocess.Popen[bytes]", run_status: Callable[..., str]
) -> None:
    a_status(folder.path, pid=sleeper.pid, process_start=process_start(sleeper.pid)).write(folder.path)
    assert view_run(folder.path).state == "running"
    sleeper.kill()
    sleeper.wait()
    out = run_status(str(folder.path))
    assert re.search(
        r"the process ended without a final status, \d s ago; `\S*aen resume \S+/runs/one` resumes it", out
    )
    assert view_run(folder.path).workers == 0


def test_another_process_of_the_same_number_is_not_it(folder: RunFolder) -> None:
    a_status(folder.path, process_start=1).write(folder.path)
    assert view_run(folder.path).state == "stopped"


@pytest.mark.parametrize(("age", "state"), [(2, "running"), (300, "stopped")])
def test_on_another_machine_the_heartbeat_counts(folder: RunFolder, age: int, state: str) -> None:
    updated = now() - timedelta(seconds=age)
    a_status(folder.path, machine="another", process_start=1, updated=updated).write(folder.path)
    assert view_run(folder.path).state == state


def test_a_last_word_that_was_not_written_is_found_in_the_summary(
    finished: tuple[RunFolder, JsonDict], folder: RunFolder
) -> None:
    summary = json.loads(finished[0].summary_file.read_text())
    del summary["run_id"], summary["sha256"]  # of another run
    folder.summary_file.write_text(json.dumps(summary))
    a_status(folder.path, process_start=1).write(folder.path)
    assert view_run(folder.path).state == "complete"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "status.json is damaged: it is empty. It holds no results; remove it"),
        (b'{"version": 1, "run": "o', "status.json is damaged: it ends unexpectedly in line 1."),
        (b"[1]", "status.json is damaged: it is not a mapping of keys to values."),
        (b"\xff\xfe\x00", "status.json is damaged: it is not text."),
        (b'{"run": "one", "name": 3}', "status.json is damaged: name is 3, which is not a valid value."),
        (b'{"version": 2}', "has version 2, and this aen supports version 1; update aen"),
    ],
    ids=["empty", "torn", "list", "binary", "keys", "later"],
)
def test_a_status_that_cannot_be_read_is_said(
    finished: tuple[RunFolder, JsonDict],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    content: bytes,
    problem: str,
) -> None:
    folder = RunFolder(shutil.copytree(finished[0].path, tmp_path / "runs" / "one"))
    (folder.path / "status.json").write_bytes(content)
    state = "other version: 2" if b"2" in content else "damaged"
    assert main(["status", str(folder.path)]) == 2
    out = " ".join(capsys.readouterr().out.split())
    assert f"state {state}," in out
    assert problem in out
    assert "The rest is from the other files" in out
    assert "best" in out
    assert main(["list", str(folder.path.parent)]) == 0
    out = capsys.readouterr().out
    assert f" {state.split(maxsplit=1)[0]} " in out
    assert f"{folder.path}/status.json " in out  # why, below the table


@pytest.mark.parametrize(
    ("name", "old", "new", "problem"),
    [
        ("summary.json", '"winner": {', '"winner": 3, "was": {', "its content has the wrong type"),
        ("summary.json", '"seconds": {', '"seconds": 3, "were": {', "its content has the wrong type"),
        ("summary.json", '"winner"', '"winners"', "it lacks winner"),
        ("history.jsonl", '"group": "', '"group": 5, "was": "', "group is 5, which is not a valid value"),
        ("config.yaml", "name: tiny", "name: 'tiny", "it is not YAML (line 1)"),
        ("config.yaml", "data:", "dates:", "it lacks data"),
    ],
)
def test_other_files_of_a_run_without_a_status_may_be_damaged(
    finished: tuple[RunFolder, JsonDict],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
    old: str,
    new: str,
    problem: str,
) -> None:
    folder = RunFolder(shutil.copytree(finished[0].path, tmp_path / "one"))
    (folder.path / "status.json").unlink()
    text = re.sub(r',\s*"sha256": "\w+"', "", (folder.path / name).read_text())  # as of earlier versions
    assert old in text
    (folder.path / name).write_text(text.replace(old, new))
    assert main(["status", str(folder.path), "--json"]) == 2
    told = json.loads(capsys.readouterr().out)
    assert told["state"] == "damaged"
    assert f"{name} is damaged: {problem}" in told["message"]


def test_a_run_from_before_there_was_a_status(
    finished: tuple[RunFolder, JsonDict], tmp_path: Path, run_status: Callable[..., str]
) -> None:
    folder = RunFolder(shutil.copytree(finished[0].path, tmp_path / "one"))
    (folder.path / "status.json").unlink()
    told, known = view_run(folder.path), view_run(finished[0].path)
    assert (told.state, told.name, told.agent, told.data) == ("complete", "tiny", "dqn", "digits")
    assert (told.winner, told.best) == (known.winner, known.best)
    folder.summary_file.unlink()
    assert view_run(folder.path).state == "stopped"
    assert "aen resume" in run_status(str(folder.path))


def test_a_run_that_has_not_begun(folder: RunFolder, run_status: Callable[..., str]) -> None:
    assert view_run(folder.path).state == "new"
    run_status(str(folder.path))


def test_it_is_read_while_it_is_written(folder: RunFolder) -> None:
    a_status(folder.path).write(folder.path)
    over = threading.Event()

    def write() -> None:
        while not over.is_set():
            a_status(folder.path).write(folder.path)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        assert {view_run(folder.path).state for _ in range(300)} == {"running"}
    finally:
        over.set()
        thread.join()


def test_names_that_yaml_quotes_are_read(tmp_path: Path, tiny_config: SearchConfig) -> None:
    config = tiny_config.model_copy(update={"name": "0123"})
    path = RunFolder.create(config, tmp_path / "one").path
    assert "name: '0123'" in (path / "config.yaml").read_text()
    view = view_run(path)
    assert (view.name, view.agent, view.data) == ("0123", "dqn", "digits")
