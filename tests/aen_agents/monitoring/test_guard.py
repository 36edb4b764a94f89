"""What is removed or replaced while a search runs is noticed; the search ends and writes nothing to what is not its."""

import json
import re
import shutil
import sqlite3
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from helpers.permissions import without_permission

from aen._typing import JsonDict
from aen.results.store import ResultStore
from aen_agents.cli.main import main
from aen_agents.cli.progress import ConsoleProgress
from aen_agents.config import SearchConfig
from aen_agents.events import Event, Visited
from aen_agents.monitoring.guard import FolderGuard, OpenFile, removed_files
from aen_agents.runs.folder import RunFolder
from aen_agents.runs.lost import LostRunError
from aen_agents.search import Search

Finished = tuple[RunFolder, JsonDict]


class Running:
    """A run whose files are open as those of a running search are."""

    def __init__(self, path: Path, other: Path, config: SearchConfig, gone_before: Collection[OpenFile] = ()) -> None:
        self.folder, self.path, self.other = RunFolder.create(config, path), path, other
        RunFolder.create(config.model_copy(update={"seed": 7}), other)
        file = Path(config.store) if config.store else self.folder.store_file
        self.store = ResultStore(file)
        self.file = file
        self.store.forget_failed()  # a write, so that there is a log
        weights = self.folder.weights_for(config.store)
        weights.mkdir(exist_ok=True)
        self.guard = FolderGuard(self.folder, config, file, weights, gone_before)

    def replace_folder(self, by: str) -> None:
        self.path.rename(self.path.with_name("moved"))
        if by == "file":
            self.path.touch()
        elif by == "link":
            self.path.symlink_to(self.other)
        else:
            self.other.rename(self.path)

    def replace(self, name: str) -> None:
        shutil.copy(self.other / name, self.path / "new")
        (self.path / "new").rename(self.path / name)


def beside(run: Running, end: str) -> Path:
    return run.file.with_name(run.file.name + end)


def replace_store(run: Running) -> None:
    run.file.with_name("new").touch()
    run.file.with_name("new").rename(run.file)


CHANGES: dict[str, tuple[Callable[[Running], object], str]] = {
    "folder removed": (lambda run: shutil.rmtree(run.path), "run folder .*run was moved away or removed"),
    "folder moved": (lambda run: run.path.rename(run.path.with_name("moved")), "run folder .*run was moved away"),
    "folder replaced by another": (lambda run: run.replace_folder("run"), "run folder .*run was replaced"),
    "folder replaced by a file": (lambda run: run.replace_folder("file"), "run folder .*run was replaced"),
    "folder replaced by a link": (lambda run: run.replace_folder("link"), "run folder .*run was replaced"),
    "store removed": (lambda run: run.file.unlink(), "results.sqlite was removed"),
    "store replaced": (replace_store, "results.sqlite was replaced"),
    "log of the store removed": (lambda run: beside(run, "-wal").unlink(), "results.sqlite-wal was removed"),
    "index of the store removed": (lambda run: beside(run, "-shm").unlink(), "results.sqlite-shm was removed"),
    "weights removed": (lambda run: shutil.rmtree(run.guard.weights), "weights was removed"),
    "weights replaced": (
        lambda run: run.guard.weights.rename(run.path / "old") and run.guard.weights.mkdir(),
        "weights was replaced",
    ),
    "agent removed": (lambda run: shutil.rmtree(run.path / "agent"), "agent was removed"),
    "config replaced": (lambda run: run.replace("config.yaml"), "config.yaml was replaced by that of another search"),
    "config removed": (lambda run: run.folder.config_file.unlink(), "config.yaml was removed"),
    "config emptied": (lambda run: run.folder.config_file.write_text(""), "config.yaml was replaced"),
}  # fmt: skip


@pytest.fixture(params=["own store", "shared store"])
def running(request: pytest.FixtureRequest, tiny_config: SearchConfig, tmp_path: Path) -> Iterator[Running]:
    config = tiny_config
    if request.param == "shared store":
        (tmp_path / "stores").mkdir()
        config = config.model_copy(update={"store": str(tmp_path / "stores" / "results.sqlite")})
    run = Running(tmp_path / "run", tmp_path / "other", config)
    yield run
    run.store.close()


@pytest.mark.parametrize(("change", "said"), CHANGES.values(), ids=CHANGES)
def test_a_change_is_noticed_at_its_second_sight(
    change: Callable[[Running], object], said: str, running: Running
) -> None:
    assert [running.guard.lost() for _ in range(3)] == [None] * 3
    change(running)
    assert running.guard.lost() is None
    gone = running.guard.lost()
    assert gone is not None
    assert re.search(said, gone)


def test_a_search_in_the_place_of_a_removed_one_is_not_stopped(tiny_config: SearchConfig, tmp_path: Path) -> None:
    first = Running(tmp_path / "run", tmp_path / "other", tiny_config)
    with (first.path / "log.jsonl").open("w"), closing(first.store):  # as a kept exception holds them
        shutil.rmtree(first.path)
        shutil.rmtree(first.other)
        gone = removed_files()
        again = Running(tmp_path / "run", tmp_path / "other", tiny_config, gone)
        with closing(again.store), (again.path / "log.jsonl").open("w"):
            assert [again.guard.lost() for _ in range(3)] == [None] * 3
            (again.path / "log.jsonl").unlink()
            assert "log.jsonl was removed" in str(again.guard.what_is_gone())


def test_what_is_removed_while_a_search_begins_is_noticed(tiny_config: SearchConfig, tmp_path: Path) -> None:
    gone = removed_files()
    folder = RunFolder.create(tiny_config, tmp_path / "run")
    with (folder.path / "log.jsonl").open("w"):
        (folder.path / "log.jsonl").unlink()
        run = Running(tmp_path / "run", tmp_path / "other", tiny_config, gone)
        with closing(run.store):
            assert "log.jsonl was removed" in str(run.guard.what_is_gone())


@pytest.mark.parametrize("what", ["folder", "store"])
def test_permission_that_was_taken_away_is_noticed(what: str, running: Running) -> None:
    with without_permission(running.path if what == "folder" else running.file):
        assert "may not be written any more" in (running.guard.what_is_gone() or "")
    assert running.guard.what_is_gone() is None


def touch_config(run: Running) -> None:
    run.folder.config_file.write_bytes(run.folder.config_file.read_bytes())


def more_workers(run: Running) -> None:
    config = run.folder.config()
    evaluator = config.evaluator.model_copy(update={"workers": 2})
    run.folder.config_file.write_text(config.model_copy(update={"evaluator": evaluator}).to_yaml())


def use_the_store_elsewhere(run: Running) -> None:
    with closing(sqlite3.connect(run.file)) as connection:
        connection.execute("SELECT count(*) FROM evaluations").fetchall()


@pytest.mark.parametrize(
    "change",
    [
        touch_config,
        more_workers,
        use_the_store_elsewhere,
        lambda run: run.store._engine.dispose(),
        lambda run: (run.path / "report.html").touch(),
        lambda run: run.path.rename(run.path.with_name("moved")) and run.path.symlink_to(run.path.with_name("moved")),
    ],
    ids=["config touched", "more workers", "store read", "connections closed", "report written", "moved with a link"],
)
def test_what_does_no_harm_is_not_noticed(change: Callable[[Running], object], running: Running) -> None:
    change(running)
    assert [running.guard.lost() for _ in range(3)] == [None] * 3


def search_during(change: Callable[[RunFolder], object], config: SearchConfig, path: Path) -> tuple[str, RunFolder]:
    """Return the error of a search whose files are changed after its second child, and its folder."""
    folder = RunFolder.create(config, path)

    def listener(event: Event) -> None:
        if isinstance(event, Visited) and event.visits == 2:
            change(folder)
            threading.Event().wait(60)  # only the heartbeat ends it
            pytest.fail("the heartbeat noticed nothing")

    with pytest.raises(LostRunError) as error:
        Search(config, listener).run(folder)
    return str(error.value), folder


def content(path: Path) -> dict[str, bytes]:
    return {str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()}


def test_a_folder_that_is_replaced_stays_as_it_is_and_the_moved_one_can_be_resumed(
    finished: Finished, tiny_config: SearchConfig, tmp_path: Path
) -> None:
    moved = tmp_path / "moved"

    def change(folder: RunFolder) -> None:
        folder.path.rename(moved)
        shutil.copytree(finished[0].path, folder.path)

    message, folder = search_during(change, tiny_config, tmp_path / "run")
    assert f"resume {moved}" in message
    assert content(folder.path) == content(finished[0].path)
    result = Search(tiny_config, lambda _: None).run(RunFolder.open(moved))
    assert result.to_json()["winner"] == finished[1]["winner"]
    assert result.children_trained <= finished[1]["children_trained"] - 2


@pytest.mark.parametrize(
    ("shared", "end"),
    [
        pytest.param(False, "-wal", id="own store, its log"),
        pytest.param(True, "", id="shared store"),
        pytest.param(False, "", id="own store", marks=pytest.mark.slow),
        pytest.param(True, "-wal", id="shared store, its log", marks=pytest.mark.slow),
    ],
)
def test_results_of_a_store_that_is_removed_are_saved(
    shared: bool, end: str, finished: Finished, tiny_config: SearchConfig, tmp_path: Path
) -> None:
    config, file = tiny_config, tmp_path / "run" / "results.sqlite"
    if shared:
        file = tmp_path / "shared.sqlite"
        config = tiny_config.model_copy(update={"store": str(file)})
    message, folder = search_during(lambda _: file.with_name(file.name + end).unlink(), config, tmp_path / "run")
    (rescued,) = file.parent.glob("*-rescued-*.sqlite")
    assert str(rescued) in message
    assert json.loads((folder.path / "status.json").read_text())["state"] == "failed"
    rescued.replace(file)
    for left in ("-wal", "-shm"):
        file.with_name(file.name + left).unlink(missing_ok=True)
    result = Search(config, lambda _: None).run(folder)
    assert result.children_trained == finished[1]["children_trained"] - 2
    assert result.to_json()["winner"] == finished[1]["winner"]


def test_a_removed_folder_does_not_come_back(tiny_config: SearchConfig, tmp_path: Path) -> None:
    message, folder = search_during(lambda folder: shutil.rmtree(folder.path), tiny_config, tmp_path / "run")
    assert not folder.path.exists()
    (rescued,) = tmp_path.glob("run-rescued-*.sqlite")
    assert f"a search with store={rescued} uses them" in message
    with ResultStore(rescued, create=False) as store:
        assert store.count() == 2


def test_a_search_in_another_thread_is_stopped_too(tiny_config: SearchConfig, tmp_path: Path) -> None:
    def run() -> None:
        folder = RunFolder.create(tiny_config, tmp_path / "run")
        waiting = threading.Event()

        def listener(event: Event) -> None:
            if isinstance(event, Visited) and event.visits == 2:
                shutil.rmtree(folder.weights)
                for _ in range(600):  # a step in Python now and then, as a search has
                    waiting.wait(0.1)

        try:
            Search(tiny_config, listener).run(folder)
        except LostRunError as error:
            said.append(str(error))

    said: list[str] = []
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert "weights was removed while the search ran" in said[0]


def test_the_command_says_it_in_one_line(
    tiny_config: SearchConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run"
    original = ConsoleProgress.__call__

    def removed_meanwhile(progress: ConsoleProgress, event: Event) -> None:
        original(progress, event)
        if isinstance(event, Visited) and event.visits == 2:
            shutil.rmtree(path)
            threading.Event().wait(60)

    monkeypatch.setattr(ConsoleProgress, "__call__", removed_meanwhile)
    (tmp_path / "tiny.yaml").write_text(tiny_config.to_yaml())
    assert main(["search", str(tmp_path / "tiny.yaml"), "--out", str(path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("aen: error: run folder")
    assert not path.exists()
