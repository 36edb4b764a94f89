"""A full disk ends a search, which says how to go on, and goes on."""

import errno
import os
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
import torch
from helpers.broken_runs import assert_same_run
from helpers.full_disk import files_no_longer_than
from safetensors.torch import save_file
from stable_baselines3.common.logger import Logger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from aen._typing import JsonDict
from aen.errors import RunFolderError, StoreError
from aen.results.store import ResultStore
from aen_agents.agents.dqn.curves import RunEvents
from aen_agents.cli.main import main
from aen_agents.config import SearchConfig
from aen_agents.errors import FullDiskError, full_disk_problem
from aen_agents.events import Event, Visited
from aen_agents.monitoring import view_run
from aen_agents.runs.files import write_file
from aen_agents.runs.folder import RunFolder
from aen_agents.runs.history import HistoryFile
from aen_agents.search import Search

Run = Callable[[SearchConfig, Path], tuple[RunFolder, JsonDict]]


def test_a_search_on_a_full_disk_says_how_to_go_on_and_goes_on(
    tiny_config: SearchConfig,
    finished: tuple[RunFolder, JsonDict],
    run_search: Run,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    folder = RunFolder.create(tiny_config, tmp_path / "a run")
    kept = r"cannot be written.*\. All results so far are kept: "
    how = rf"{kept}make room, then resume with `.*aen resume '{folder.path}'`\.$"
    with ExitStack() as full:

        def fill(event: Event) -> None:
            if isinstance(event, Visited) and event.visits == 3:
                full.enter_context(files_no_longer_than(3000))

        with pytest.raises(FullDiskError, match=how):
            Search(tiny_config, fill).run(folder)
    assert capfd.readouterr().err == ""
    assert list(folder.path.rglob("*.part*")) == []
    view = view_run(folder.path)
    assert (view.state, "All results so far are kept" in (view.message or "")) == ("failed", True)
    folder, summary = run_search(tiny_config, folder.path)
    assert_same_run(folder, finished[0])
    assert summary["children_trained_in_all"] == finished[1]["children_trained"]


def test_a_disk_that_is_full_from_the_start_leaves_a_run_to_go_on_with(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with files_no_longer_than(5000):
        assert main(["search", "configs/digits.yaml", "--out", str(tmp_path / "run")]) == 2
    assert f"resume {tmp_path / 'run'}`." in capsys.readouterr().err
    assert RunFolder.open(tmp_path / "run").config().name == "digits"


def fill_history(path: Path) -> None:
    HistoryFile(path / "history.jsonl").append({"step": "1" * 100})


def fill_summary_too(path: Path) -> None:
    try:
        fill_history(path)
    finally:
        write_file(path / "summary.json", "1" * 100)


def fill_weights(path: Path) -> None:
    save_file({"a": torch.zeros(100)}, path / "weights")


def fill_store(path: Path) -> None:
    with ResultStore(path / "results.sqlite"):
        pass


FULL: dict[str, tuple[Callable[[Path], None], str]] = {
    "history": (fill_history, "history.jsonl cannot be written: File too large"),
    "history, then summary": (fill_summary_too, "history.jsonl cannot be written: File too large"),
    "weights": (fill_weights, "weights cannot be written: File too large"),
    "store": (fill_store, "results.sqlite cannot be written (disk I/O error)"),
}


@pytest.mark.parametrize(("fill", "said"), FULL.values(), ids=FULL)
def test_what_had_no_room_first_is_told(fill: Callable[[Path], None], said: str, tmp_path: Path) -> None:
    with files_no_longer_than(50), pytest.raises(Exception) as error:  # noqa: PT011 - of four kinds
        fill(tmp_path)
    assert (full_disk_problem(error.value) or "").endswith(said)


def test_other_errors_are_no_full_disk() -> None:
    error = StoreError("result store is locked")
    error.__cause__ = PermissionError(errno.EACCES, os.strerror(errno.EACCES), "results.sqlite")
    assert full_disk_problem(error) is None


def test_a_file_that_cannot_be_written_leaves_no_part(tmp_path: Path) -> None:
    file = tmp_path / "summary.json"
    write_file(file, "before")
    with (
        files_no_longer_than(50),
        pytest.raises(RunFolderError, match=r"summary\.json cannot be written: File too"),
    ):
        write_file(file, "1" * 100)
    assert [path.name for path in tmp_path.iterdir()] == ["summary.json"]
    assert file.read_text() == "before"


def test_curves_on_a_full_disk_lack_points_and_nothing_else(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    threads = threading.active_count()
    logger = Logger(str(tmp_path), [RunEvents(tmp_path / "tensorboard", None)])

    def dump(step: int) -> None:
        logger.record("search/accuracy", step / 2)
        logger.record("time/episodes", step, exclude="tensorboard")
        logger.dump(step)

    with files_no_longer_than(20):
        dump(1)
        assert list((tmp_path / "tensorboard").iterdir()) == []
    dump(2)
    with files_no_longer_than(20):
        dump(3)
    dump(4)
    logger.close()
    assert (capfd.readouterr().err, threading.active_count()) == ("", threads)
    curves = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert curves.Tags()["scalars"] == ["search/accuracy"]
    assert [(s.step, s.value) for s in curves.Scalars("search/accuracy")] == [(2, 1.0), (4, 2.0)]
