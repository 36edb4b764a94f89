"""Searches whose children are trained by several processes."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from aen._typing import JsonDict
from aen.errors import SpecError
from aen.results.store import ResultStore
from aen_agents.config import SearchConfig
from aen_agents.evaluators.factory import workers_of
from aen_agents.runs.folder import RunFolder
from aen_agents.search import Search

Run = Callable[[SearchConfig, Path], tuple[RunFolder, JsonDict]]
two_cores = pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="two workers need two cores")


def with_workers(config: SearchConfig, workers: int | None, **settings: object) -> SearchConfig:
    return SearchConfig.model_validate(config.model_dump() | {"evaluator": {"workers": workers, **settings}})


def rows(folder: RunFolder) -> list[tuple[object, ...]]:
    with ResultStore(folder.store_file, create=False) as store:
        return [(e.key, e.train_loss, e.validation_loss, e.validation_accuracy) for e, _ in store.evaluations()]


def figures(summary: JsonDict) -> JsonDict:
    return {name: value for name, value in summary.items() if name not in ("seconds", "provenance")}


@two_cores
@pytest.mark.slow
def test_workers_change_nothing_but_the_time(
    exhausted: tuple[RunFolder, JsonDict], run_search: Run, exhaustive_config: SearchConfig, tmp_path: Path
) -> None:
    folder, summary = run_search(with_workers(exhaustive_config, 2), tmp_path / "two")
    assert figures(summary) == figures(exhausted[1])
    assert rows(folder) == rows(exhausted[0])
    assert folder.history() == exhausted[0].history()


@pytest.mark.parametrize(("agent", "threads", "workers"), [("exhaustive", 1, 4), ("exhaustive", 3, 1), ("dqn", 1, 1)])
def test_only_a_list_known_beforehand_is_shared_out(
    tiny_config: SearchConfig, monkeypatch: pytest.MonkeyPatch, agent: str, threads: int, workers: int
) -> None:
    monkeypatch.setattr("aen.training.device.available_cores", lambda: 4)
    monkeypatch.setattr("aen_agents.evaluators.factory.available_cores", lambda: 4)
    config = SearchConfig.model_validate(
        tiny_config.model_dump() | {"agent": {"name": agent}, "evaluator": {"threads": threads}}
    )
    assert workers_of(config) == workers
    assert workers_of(with_workers(config, 2)) == 2


def test_more_workers_than_cores_are_refused_before_anything_is_made(tiny_config: SearchConfig) -> None:
    with pytest.raises(SpecError, match="workers is 5000 with threads 1 each; this machine has"):
        Search(with_workers(tiny_config, 5000), lambda _: None)


def descendants(pid: int) -> set[int]:
    found: set[int] = set()
    for file in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, file.read_text().split()):
            found |= {child} | descendants(child)
    return found


def running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@two_cores
@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="child processes are read from /proc")
@pytest.mark.parametrize("how", ["ctrl-c", "ctrl-c in a terminal", "kill -9"])
def test_a_search_that_is_ended_leaves_no_process_behind(how: str, tmp_path: Path) -> None:
    out = tmp_path / "run"
    words = [
        *("data.train=100", "data.validation=100", "data.test=100", "child.hidden=[8]", "agent=exhaustive"),
        *("alphabet=[rot90, hflip, vflip]", "selection.seeds=2", "selection.top=2", "evaluator.workers=2"),
        *("training.epochs=60", "agent.seeds=200"),
    ]
    code = "from aen_agents.cli.main import main; raise SystemExit(main())"
    command = [sys.executable, "-c", code, "search", "configs/digits.yaml", *words, "--out", str(out)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        history, deadline = out / "history.jsonl", time.monotonic() + 90
        while time.monotonic() < deadline and not (history.is_file() and history.read_text().count("\n") >= 3):
            time.sleep(0.02)
        children = descendants(process.pid)
        assert len(children) >= 2
        if how == "ctrl-c in a terminal":  # it goes to all
            os.killpg(process.pid, signal.SIGINT)
        else:
            process.send_signal(signal.SIGINT if how == "ctrl-c" else signal.SIGKILL)
        _, error = process.communicate(timeout=60)
    assert process.returncode == (-9 if how == "kill -9" else 130)
    assert "Traceback" not in error
    deadline = time.monotonic() + 20
    while any(running(pid) for pid in children):
        assert time.monotonic() < deadline, error
        time.sleep(0.05)
    folder = RunFolder.open(out)
    assert len(rows(folder)) >= len(folder.history()) >= 3
    if how == "kill -9":
        return  # its summary and its leases stay as they were; the next search takes the leases over
    summary = folder.summary()
    assert summary is not None
    assert summary["status"] == "interrupted"
    with closing(sqlite3.connect(folder.store_file)) as connection:
        assert connection.execute("select * from leases").fetchall() == []
