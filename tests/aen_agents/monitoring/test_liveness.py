"""Running searches on other machines, whose clocks differ from this one's, and those that were killed there."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from helpers.watched_runs import a_status

from aen._processes import this_machine
from aen_agents.config import SearchConfig
from aen_agents.monitoring import find_runs, view_run
from aen_agents.monitoring.liveness import LOOK_SECONDS, SILENT_SECONDS
from aen_agents.monitoring.status import now
from aen_agents.runs.folder import RunFolder

ELSEWHERE = {"machine": "another", "process_start": 1, "host": "elsewhere"}
APART = [timedelta(hours=-1), timedelta(seconds=-45), timedelta(hours=1), timedelta(days=365)]


@pytest.fixture
def writes() -> Callable[..., object]:
    """Write the status of a running search every half second, by a clock that differs from this machine's."""

    @contextmanager
    def writing(*paths: Path, apart: timedelta = timedelta(), **changes: object) -> Iterator[None]:
        over = threading.Event()

        def write() -> None:
            while not over.wait(0.5):
                for path in paths:
                    a_status(path, updated=now() + apart, **(ELSEWHERE | changes)).write(path)

        for path in paths:
            a_status(path, updated=now() + apart, **(ELSEWHERE | changes)).write(path)
        thread = threading.Thread(target=write)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    return writing


@pytest.mark.parametrize("apart", APART, ids=str)
def test_a_running_search_is_running_whatever_its_clock_shows(
    folder: RunFolder, writes: Callable[..., object], apart: timedelta
) -> None:
    with writes(folder.path, apart=apart):
        view = view_run(folder.path)
    side = "ahead of" if apart > timedelta() else "behind"
    assert view.state == "running"
    assert view.age < 1
    assert len(view.remarks) == 1
    assert view.remarks[0].startswith("the clock of elsewhere is ")
    assert view.remarks[0].endswith(f" {side} this one")


@pytest.mark.parametrize("apart", APART[1:3], ids=str)
def test_one_that_was_killed_is_stopped_after_one_look(folder: RunFolder, apart: timedelta) -> None:
    a_status(folder.path, updated=now() + apart, **ELSEWHERE).write(folder.path)
    began = time.monotonic()
    view = view_run(folder.path)
    assert LOOK_SECONDS <= time.monotonic() - began < LOOK_SECONDS + 10
    assert view.state == "stopped"
    assert view.age == pytest.approx(max(-apart.total_seconds(), 0), abs=15)
    assert "resume" in view.remarks[0]
    assert ("ahead of this one" in " ".join(view.remarks)) == (apart > timedelta())


@pytest.mark.parametrize("changes", [ELSEWHERE, {}], ids=["elsewhere", "here"])
def test_clocks_that_agree_need_no_second_look(folder: RunFolder, changes: dict[str, object]) -> None:
    def refuse(_: Path) -> bool:
        raise AssertionError

    for seconds in (0, 0.9 * SILENT_SECONDS, -0.9 * SILENT_SECONDS):
        updated = now() - timedelta(seconds=seconds)
        a_status(folder.path, updated=updated, **changes).write(folder.path)
        assert view_run(folder.path, look=refuse).state == "running"
    for state in ("complete", "interrupted", "failed"):
        a_status(folder.path, state=state, updated=now() - timedelta(days=1), **changes).write(folder.path)
        assert view_run(folder.path, look=refuse).state == state
    a_status(folder.path, updated=now() - timedelta(days=1), process_start=1).write(folder.path)
    assert view_run(folder.path, look=refuse).state == "stopped"


def test_a_process_of_this_machine_whose_clock_was_set_is_not_called_suspended(
    folder: RunFolder, writes: Callable[..., object]
) -> None:
    here = {"machine": this_machine(), "pid": os.getpid(), "process_start": a_status(folder.path).process_start}
    with writes(folder.path, apart=timedelta(hours=2), **here):
        view = view_run(folder.path)
    assert (view.state, view.remarks) == ("running", ("the clock of elsewhere is 2 h 0 min ahead of this one",))
    a_status(folder.path, updated=now() + timedelta(hours=2)).write(folder.path)
    assert "is alive, but its status does not change: suspended" in view_run(folder.path).remarks[0]


def test_the_end_of_a_search_whose_clock_is_ahead_is_not_in_the_future(folder: RunFolder) -> None:
    a_status(folder.path, state="failed", updated=now() + timedelta(days=2), host="elsewhere").write(folder.path)
    view = view_run(folder.path)
    assert (view.state, view.age) == ("failed", 0.0)
    assert view.remarks == ("the clock of elsewhere is 2 d 0 h ahead of this one",)


def test_a_list_takes_one_look_for_all(
    folder: RunFolder, tiny_config: SearchConfig, writes: Callable[..., object]
) -> None:
    runs = folder.path.parent
    living = [RunFolder.create(tiny_config, runs / f"living-{n}").path for n in range(3)]
    for n in range(30):
        killed = RunFolder.create(tiny_config, runs / f"killed-{n}").path
        a_status(killed, updated=now() - timedelta(hours=n + 1), **ELSEWHERE).write(killed)
    a_status(folder.path, state="complete", updated=now() - timedelta(minutes=9)).write(folder.path)
    began = time.monotonic()
    with writes(*living, apart=timedelta(hours=-1)):
        views = find_runs(runs)
    assert time.monotonic() - began < LOOK_SECONDS + 10
    assert [(view.state, view.path.name) for view in views[3:6]] == [
        ("complete", "one"),
        ("stopped", "killed-0"),
        ("stopped", "killed-1"),
    ]
    assert {(view.state, view.path) for view in views[:3]} == {("running", path) for path in living}
