"""Who monitores a run writes down what is done, and how it ended."""

import os
import shutil
import time
from pathlib import Path

import pytest
from helpers.watched_runs import EVENTS, NAMES, VISITED, lines_of

from aen.errors import RunFolderError, SpecError
from aen.evaluators import Activity
from aen_agents.config import SearchConfig
from aen_agents.events import Event, StageStarted
from aen_agents.monitoring import view_run
from aen_agents.monitoring.monitor import SearchMonitor
from aen_agents.monitoring.status import Children
from aen_agents.runs.folder import RunFolder


class Busy:
    """An evaluator, as far as who monitores knows it."""

    def __init__(self, activity: Activity) -> None:
        self.known = activity

    def activity(self) -> Activity:
        return self.known


def test_what_is_done_is_written_down_and_passed_on(folder: RunFolder, tiny_config: SearchConfig) -> None:
    heard: list[Event] = []
    monitor = SearchMonitor(tiny_config, heard.append)
    with monitor.over(folder):
        assert view_run(folder.path).state == "running"
        monitor.evaluator = Busy(Activity(4, 3, 2, 17, 1))
        for event in EVENTS:
            monitor(event)
        deadline = time.monotonic() + 10
        while view_run(folder.path).workers != 4 and time.monotonic() < deadline:
            time.sleep(0.05)
        view = view_run(folder.path)
    assert heard == EVENTS
    assert (view.state, view.workers) == ("running", 4)
    assert view.children == Children(done=6, running=3, waiting=2, trained=17, failed=1)
    assert view.process is not None
    assert view.process.startswith(f"{os.getpid()} on ")
    after = view_run(folder.path)
    assert (after.state, after.workers, after.age < 5) == ("complete", 0, True)
    assert after.children == Children(done=6, running=0, waiting=0, trained=17, failed=1)
    lines = lines_of(folder.path / "log.jsonl")
    assert [line["event"] for line in lines] == ["started", *NAMES, "ended"]
    assert lines[0]["pid"] == os.getpid()
    assert set(lines[0]["versions"]) == {"aen", "torch", "python"}
    assert lines[-1]["state"] == "complete"


@pytest.mark.parametrize(
    ("error", "state", "message"),
    [
        (KeyboardInterrupt(), "interrupted", None),
        (SpecError("store postgresql://me:word@host/db is full"), "failed", "store postgresql://me:***@"),
        (ZeroDivisionError("by 0"), "failed", "ZeroDivisionError: by 0"),
    ],
    ids=["interrupted", "failed", "a fault of ours"],
)
def test_how_it_ended_is_told(
    folder: RunFolder, tiny_config: SearchConfig, error: BaseException, state: str, message: str | None
) -> None:
    def search() -> None:
        with SearchMonitor(tiny_config, lambda _: None).over(folder):
            raise error

    with pytest.raises(type(error)):
        search()
    view = view_run(folder.path)
    assert view.state == state
    assert (view.message or "").startswith(message or "")
    assert "word" not in (folder.path / "status.json").read_text() + (folder.path / "log.jsonl").read_text()


def test_the_last_word_is_said_where_no_other_file_can_be_made(
    folder: RunFolder, tiny_config: SearchConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    def search() -> None:
        with SearchMonitor(tiny_config, lambda _: None).over(folder):
            monkeypatch.setattr("aen_agents.monitoring.status.write_atomically", full)
            raise SpecError("there is no room " * 20)

    with pytest.raises(SpecError):
        search()
    view = view_run(folder.path)
    assert view.state == "failed"
    assert "there is no room" in (view.message or "")


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="open files are looked up in /proc")
def test_the_log_is_closed_where_the_run_cannot_be_read(
    folder: RunFolder, tiny_config: SearchConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreadable(_: RunFolder) -> str:
        raise RunFolderError("run.json cannot be read")

    monkeypatch.setattr(RunFolder, "run_id", property(unreadable))
    monitor = SearchMonitor(tiny_config, lambda _: None)
    with pytest.raises(RunFolderError), monitor.over(folder):
        pytest.fail("begun")
    log = folder.path / "log.jsonl"
    assert log.is_file()
    links = [str(link.readlink()) for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    assert str(log.resolve()) not in links


def test_the_store_password_is_nowhere(folder: RunFolder, tiny_config: SearchConfig) -> None:
    config = tiny_config.model_copy(update={"store": "postgresql://me:word@host/db"})
    with SearchMonitor(config, lambda _: None).over(folder):
        pass
    assert lines_of(folder.path / "log.jsonl")[0]["store"] == "postgresql://me:***@host/db"
    assert "word" not in (folder.path / "status.json").read_text()


def test_a_folder_that_is_removed_meanwhile_stays_so(folder: RunFolder, tiny_config: SearchConfig) -> None:
    monitor = SearchMonitor(tiny_config, lambda _: None)
    with monitor.over(folder):
        monitor(StageStarted("explore", 12))
        shutil.rmtree(folder.path)
        monitor(VISITED)
        time.sleep(1.2)  # a heartbeat
    assert not folder.path.exists()


def test_an_evaluator_that_fails_to_answer_disturbs_nobody(folder: RunFolder, tiny_config: SearchConfig) -> None:
    class Broken:
        def activity(self) -> Activity:
            raise RuntimeError("closed")

    monitor = SearchMonitor(tiny_config, lambda _: None)
    with monitor.over(folder):
        monitor.evaluator = Broken()
        assert monitor.activity() is None
    assert view_run(folder.path).state == "complete"
