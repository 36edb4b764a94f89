"""Searches go from state to state, whatever is killed; their processes are real ones that only wait."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from helpers.idle_searches import PROGRAM, add, end_all, kill, make_run, starts
from helpers.watched_runs import a_status

from aen_service.errors import ConflictError, ServiceStartError, UnavailableError
from aen_service.searches import changes, launcher
from aen_service.searches.process_file import Attempt, is_held
from aen_service.searches.records import SearchRecord
from aen_service.service import Service
from aen_service.settings import Limits, Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(root=tmp_path / "runs", parallel=2)


@pytest.fixture
def service(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """A service whose scheduler only runs when a test says so."""
    monkeypatch.setattr(launcher, "_PROGRAM", PROGRAM)
    with Service(settings) as made:
        yield made
        end_all(made)


def until(service: Service, record: SearchRecord, done: Callable[[SearchRecord], object]) -> SearchRecord:
    """Let the scheduler work until a search is as expected."""
    deadline = time.monotonic() + 60
    while True:
        service.scheduler.step()
        found = service.searches.get(record.id)
        if done(found):
            return found
        assert time.monotonic() < deadline, found
        time.sleep(0.02)


def state(service: Service, record: SearchRecord, name: str) -> SearchRecord:
    return until(service, record, lambda found: found.state == name)


def begun(service: Service, record: SearchRecord, times: int = 1) -> SearchRecord:
    """Let the scheduler work until the process of a search has begun to wait."""
    return until(service, record, lambda _: len(starts(service.settings, record)) >= times)


def again(service: Service) -> Service:
    """Return a service on the same root, as after a kill: nothing of the old one's memory is left."""
    service.close()
    return Service(service.settings)


def test_as_many_run_as_may_and_the_others_wait(service):
    records = [add(service, "wait") for _ in range(3)]
    begun(service, records[0])
    begun(service, records[1])
    assert [service.searches.get(record.id).state for record in records] == ["running", "running", "queued"]
    changes.stop(service, records[0].id)
    stopped = state(service, records[0], "stopped")
    assert stopped.message is None
    begun(service, records[2])


@pytest.mark.parametrize(("what", "expected"), [("exit.0", "complete"), ("exit.130", "stopped"), ("exit.2", "failed")])
def test_the_exit_status_decides(service, what, expected):
    found = state(service, add(service, what), expected)
    assert found.ended is not None
    if expected == "failed":
        assert found.message == "it cannot work"


def test_a_process_without_words_is_named_by_its_status(service, monkeypatch):
    monkeypatch.setattr(launcher, "_PROGRAM", PROGRAM.replace("print(", "repr(").replace(", flush=True", ""))
    assert state(service, add(service, "exit.3"), "failed").message == "its process ended with status 3"


def test_a_killed_search_is_resumed_as_often_as_it_may(service, settings):
    record = add(service, "wait")
    for number in range(1, settings.limits.resumes + 2):
        begun(service, record, number)
        kill(starts(settings, record)[-1])
    found = state(service, record, "lost")
    assert found.message == "its process was killed 4 times, more often than it is resumed"
    assert len(starts(settings, record)) == 4
    changes_of = changes.resume(service, service.tokens.add("x", "operator")[0], record.id)
    assert changes_of.state == "queued"
    begun(service, record, 5)


def test_an_earlier_exit_says_nothing_of_a_process_that_was_killed(service, settings):
    record = add(service, "wait")
    begun(service, record)
    changes.stop(service, record.id)
    state(service, record, "stopped")
    changes.resume(service, service.tokens.add("x", "operator")[0], record.id)
    begun(service, record, 2)
    kill(starts(settings, record)[-1])
    begun(service, record, 3)
    assert service.searches.get(record.id).state == "running"


def test_a_search_that_ignores_the_signal_is_killed(tmp_path, monkeypatch):
    monkeypatch.setattr(launcher, "_PROGRAM", PROGRAM)
    with Service(Settings(root=tmp_path / "runs", limits=Limits(stop_seconds=0.2))) as service:
        record = add(service, "hang")
        begun(service, record)
        changes.stop(service, record.id)
        assert state(service, record, "stopped").message == "it did not stop within 0.2 s and was killed"


def test_a_stop_right_after_the_start_is_not_lost(service):
    record = add(service, "wait")
    service.scheduler.step()  # the process may not have begun
    assert changes.stop(service, record.id).state == "stopping"
    assert changes.stop(service, record.id).state == "stopping", "the second stop changes nothing"
    assert state(service, record, "stopped").message is None


@pytest.mark.parametrize("when", ["before the process", "after the process"])
def test_a_service_that_ends_while_it_starts_a_search_finds_it_again(service, settings, when, monkeypatch):
    record = add(service, "wait")
    real = service.launcher.start

    class Killed(BaseException):
        pass

    def start(given: SearchRecord) -> None:
        if when == "after the process":
            real(given)
        raise Killed

    monkeypatch.setattr(service.launcher, "start", start)
    with pytest.raises(Killed):
        service.scheduler.step()
    assert service.searches.get(record.id).pid is None
    with again(service) as second:
        begun(second, record)
        for _ in range(5):
            second.scheduler.step()
        found = until(second, record, lambda each: each.pid is not None)
        assert starts(settings, record) == [found.pid]
        assert found.starts == 1
        end_all(second)


def test_what_an_earlier_process_left_says_nothing_of_one_that_never_began(service, settings, monkeypatch):
    record = add(service, "exit.2")
    state(service, record, "failed")
    changes.resume(service, service.tokens.add("x", "operator")[0], record.id)

    class Killed(BaseException):
        pass

    def killed(_record: SearchRecord) -> None:
        raise Killed

    monkeypatch.setattr(service.launcher, "start", killed)
    with pytest.raises(Killed):
        service.scheduler.step()
    service.searches.update(record.id, starts=2)  # of the second start in a row
    with again(service) as second:
        second.scheduler.step()
        found = second.searches.get(record.id)
        assert found.state in {"queued", "running"}, found.message
        until(second, record, lambda _: len(starts(settings, record)) == 2)


def test_a_search_is_asked_once_to_stop(service, monkeypatch):
    """A second signal would cut its report short."""
    record = add(service, "hang")
    begun(service, record)
    sent = []
    monkeypatch.setattr(os, "kill", lambda pid, number, real=os.kill: (number and sent.append(number)) or real(pid, 0))
    changes.stop(service, record.id)
    for _ in range(5):
        service.scheduler.step()
    assert sent == [signal.SIGINT]
    monkeypatch.undo()


def test_a_search_that_is_resumed_in_a_terminal_is_shown_as_running(service, settings):
    record = add(service, "exit.130", made=True)
    make_run(settings.root / record.path)
    state(service, record, "stopped")
    (settings.root / record.path / "config.yaml").write_text("name: tiny\ndata:\n  name: digits\n")
    a_status(settings.root / record.path).write(settings.root / record.path)  # this process runs it
    service.scheduler._folders_at = 0.0
    found = state(service, record, "running")
    assert found.message == "it runs outside of this service, resumed in a terminal"
    with pytest.raises(ConflictError, match="stop it in the terminal that runs it"):
        changes.stop(service, record.id)
    others = [add(service, "wait") for _ in range(2)]
    begun(service, others[0])
    begun(service, others[1])  # it takes none of the two places
    a_status(settings.root / record.path, state="interrupted").write(settings.root / record.path)
    assert state(service, record, "stopped").message == "it was interrupted in the terminal that ran it"


def test_a_terminal_that_is_killed_leaves_a_lost_search_that_is_not_resumed_by_itself(service, settings):
    record = add(service, "exit.130", made=True)
    make_run(settings.root / record.path)
    state(service, record, "stopped")
    (settings.root / record.path / "config.yaml").write_text("name: tiny\ndata:\n  name: digits\n")
    gone = subprocess.Popen(["true"])
    gone.wait()
    service.searches.update(record.id, state="running", outside=True)
    a_status(settings.root / record.path, pid=gone.pid).write(settings.root / record.path)
    found = state(service, record, "lost")
    assert found.message == "the process that resumed it in a terminal was killed; resume it"
    assert len(starts(settings, record)) == 1


def test_the_lock_is_held_before_the_process_has_begun(service, settings):
    """There is no moment at which a process exists and the file does not say so."""
    record = add(service, "wait")
    seen = []
    spawn = os.posix_spawn

    def look(*words, **options):
        seen.append(is_held(launcher.search_folder(settings, record.id) / launcher.PROCESS_FILE))
        pid = spawn(*words, **options)
        seen.append(is_held(launcher.search_folder(settings, record.id) / launcher.PROCESS_FILE))
        return pid

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "posix_spawn", look)
        service.scheduler.step()
    assert seen == [True, True]
    assert service.launcher.find(service.searches.get(record.id)) is not None


def test_the_lock_does_not_outlive_the_process_with_its_children(tmp_path):
    file, marker = tmp_path / "process", tmp_path / "child"
    number = launcher.open_locked(file, Attempt(1))
    program = f"""
import subprocess, sys
from aen_service.searches import process
def fork(arguments):
    child = subprocess.Popen(["sleep", "60"], close_fds=False)
    open({str(marker)!r}, "w").write(str(child.pid))
    return 0
process._code = fork
process.run(sys.argv[1], [])
"""
    try:
        subprocess.run([sys.executable, "-c", program, str(number)], pass_fds=(number,), check=True)
    finally:
        os.close(number)
    try:
        assert not is_held(file)
        assert Attempt.read(file).code == 0
    finally:
        kill(int(marker.read_text()))


def test_a_second_service_on_the_root_is_refused(service):
    settings = service.settings
    with pytest.raises(ServiceStartError, match="another service has the root"):
        Service(settings)


def test_a_search_that_cannot_be_started_now_waits(service, monkeypatch):
    record = add(service, "wait")
    real = service.launcher.start

    def full(_record: SearchRecord) -> None:
        raise UnavailableError("no space left on device.")

    monkeypatch.setattr(service.launcher, "start", full)
    service.scheduler.step()
    found = service.searches.get(record.id)
    assert (found.state, found.starts) == ("queued", 0)
    assert found.message == "it waits: no space left on device."
    monkeypatch.setattr(service.launcher, "start", real)
    service.scheduler.step()
    assert service.searches.get(record.id).state == "queued", "it is tried again after a while"
    service.scheduler.wake()
    begun(service, record)


def test_a_run_folder_that_is_removed_while_its_search_runs(service, settings):
    record = add(service, "wait")
    begun(service, record)
    make_run(settings.root / record.path)
    until(service, record, lambda found: found.made)
    shutil.rmtree(settings.root / record.path)
    kill(starts(settings, record)[-1])
    found = state(service, record, "lost")
    assert found.message == f"its run folder {settings.root / record.path} was removed"


def test_a_run_folder_that_is_removed_after_the_end(service, settings):
    record = add(service, "exit.0", made=True)
    make_run(settings.root / record.path)
    state(service, record, "complete")
    shutil.rmtree(settings.root / record.path)
    service.scheduler._folders_at = 0.0
    found = state(service, record, "lost")
    assert found.message == f"its run folder {settings.root / record.path} was removed"


def test_the_clock_has_no_part_in_the_order(service, monkeypatch):
    """Each search is submitted an hour earlier than the one before, as the clock says."""
    now = time.time()
    order = []
    for number in range(4):
        monkeypatch.setattr(time, "time", lambda number=number: now - 3600.0 * number)
        order.append(add(service, "wait").id)
    assert service.searches.queue() == order
    service.searches.move(order[3], 1)
    assert service.searches.queue() == [order[3], *order[:3]]
    changes.move(service, order[3], 99)
    assert service.searches.queue() == order


def test_what_is_not_in_the_queue_is_not_moved(service):
    record = add(service, "exit.0")
    state(service, record, "complete")
    with pytest.raises(ConflictError, match="the search is complete; only one that waits can be moved"):
        changes.move(service, record.id, 1)


def test_ended_searches_cost_the_scheduler_little(service, settings):
    """Two queries and one look at a folder each, however many searches there are."""
    for number in range(300):
        service.searches.add(path=f"old-{number}", name="old", state="complete", request={}, made=True)
        (settings.root / f"old-{number}").mkdir()
    service.scheduler.step()
    looked = []
    engine = service.searches.database._engine
    sa.event.listen(engine, "before_cursor_execute", lambda *given: looked.append(given[2]))
    for _ in range(10):
        service.scheduler.step()
    assert len(looked) <= 10 * 2
