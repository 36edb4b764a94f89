"""`aen status`."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from helpers.watched_runs import a_status

from aen._processes import process_start
from aen_agents.cli.main import main
from aen_agents.monitoring.status import now
from aen_agents.runs.folder import RunFolder


def test_a_run_is_told(folder: RunFolder, run_status: Callable[..., str]) -> None:
    a_status(folder.path).write(folder.path)
    out = run_status(str(folder.path))
    for said in (
        f"running, process {os.getpid()} on here",
        "tiny, agent dqn, data digits",
        "exploring: 34 of at most 60 children, about 2 min 10 s left",
        "97.2% on validation: D4 (rot90 + hflip)",
        "34 done, 2 running, 5 waiting, 33 trained, 1 failed",
        "1.2/s over the last minute, 36.0/h overall",
        "4 alive",
        "1 min 30 s",
    ):
        assert said in out


def test_it_is_told_as_json_too(folder: RunFolder, run_status: Callable[..., str]) -> None:
    a_status(folder.path).write(folder.path)
    told = json.loads(run_status(str(folder.path), "--json"))
    assert (told["state"], told["workers"], told["stage"]["done"]) == ("running", 4, 34)
    assert told["children"] == {"done": 34, "running": 2, "waiting": 5, "trained": 33, "failed": 1}
    assert told["age_seconds"] < 30


def test_a_process_that_is_silent_is_told(folder: RunFolder, run_status: Callable[..., str]) -> None:
    a_status(folder.path, updated=now() - timedelta(seconds=300)).write(folder.path)
    assert "is alive, but its status is 300 s old" in run_status(str(folder.path))


@pytest.mark.parametrize("words", [[], ["--json"], ["--follow"]])
def test_no_run_folder_is_an_error(tmp_path: Path, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", str(tmp_path / "nowhere"), *words]) == 2
    assert capsys.readouterr().err.endswith("nowhere is not a run folder: there is no such folder.\n")


@pytest.mark.parametrize("words", [[], ["--json"]], ids=["lines", "json"])
def test_it_is_followed_until_it_ends(
    folder: RunFolder,
    sleeper: "subprocess.Popen[bytes]",
    words: list[str],
    run_status: Callable[..., str],
) -> None:
    a_status(folder.path, pid=sleeper.pid, process_start=process_start(sleeper.pid)).write(folder.path)

    def end() -> None:
        sleeper.kill()
        sleeper.wait()

    timer = threading.Timer(0.5, end)
    timer.start()
    lines = run_status(str(folder.path), "--follow", *words).splitlines()
    timer.join()
    if words:
        assert [json.loads(line)["state"] for line in lines] == ["running", "stopped"]
    else:
        assert lines == [
            "running  exploring 34/60  best 97.2% D4  4 workers  1 failed",
            "stopped  exploring 34/60  best 97.2% D4  1 failed",
        ]


def test_readers_need_no_torch(folder: RunFolder) -> None:
    a_status(folder.path).write(folder.path)
    code = (
        "import sys; from aen_agents.cli.main import main; "
        f"main(['status', {str(folder.path)!r}]); main(['list', {str(folder.path.parent)!r}]); "
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("False\n")
