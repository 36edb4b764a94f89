"""A search that a terminal runs below the root is stopped from the service as by Ctrl-C, where that is possible."""

import os
import signal
import subprocess
import sys
import time

import pytest
from helpers.made_runs import make_run
from helpers.watched_runs import a_status

from aen._processes import process_start
from aen_service.errors import ConflictError
from aen_service.searches import changes

# Holds the lock of a run folder and writes what it was sent.
PROGRAM = """
import signal, sys
from pathlib import Path
from aen_agents.runs.folders import lock_folder
from helpers.watched_runs import a_status
folder = Path(sys.argv[1])
signals = []
signal.signal(signal.SIGINT, lambda number, _: signals.append(number))
with lock_folder(folder, "locked"):
    a_status(folder).write(folder)
    print("ready", flush=True)
    for line in sys.stdin:
        (folder / "signals").write_text(str(len(signals)))
        print("wrote", flush=True)
    a_status(folder, state="interrupted").write(folder)
"""


@pytest.fixture
def terminal(service):
    """A process that works in a run folder, and the row of that run."""
    folder = service.settings.root / "run"
    make_run(folder, state="running")
    path = os.pathsep.join(sys.path)
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    )
    try:
        assert process.stdout.readline() == "ready\n"
        service.index.step(find=True)
        yield process, service.searches.where()[0]
    finally:
        process.kill()
        process.communicate()


def signals(service, process):
    process.stdin.write("\n")
    process.stdin.flush()
    assert process.stdout.readline() == "wrote\n"
    return (service.settings.root / "run" / "signals").read_text()


def wait_for(service, search, state):
    deadline = time.monotonic() + 60
    while (found := service.searches.get(search)).state != state:
        assert time.monotonic() < deadline, found
        service.scheduler.step()
        service.index.step()
        time.sleep(0.02)
    return found


def test_it_is_sent_one_signal_and_is_stopping_until_it_has_ended(service, terminal):
    process, record = terminal
    assert record.state == "running"
    assert changes.stop(service, record.id).state == "stopping"
    assert changes.stop(service, record.id).state == "stopping"
    for _ in range(3):
        service.scheduler.step()
        service.index.step(find=True)
    assert service.searches.get(record.id).state == "stopping"
    assert signals(service, process) == "1"
    process.communicate()
    assert wait_for(service, record.id, "stopped").message is None


def test_a_stopping_one_that_is_killed_or_removed_does_not_stop_for_ever(service, terminal):
    process, record = terminal
    changes.stop(service, record.id)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    wait_for(service, record.id, "stopped")


def test_of_two_requests_at_the_same_time_one_sends_the_signal(service, terminal, monkeypatch):
    process, record = terminal

    def second_request_first(folder, really=changes.process_of):
        monkeypatch.undo()
        changes.stop(service, record.id)
        return really(folder)

    monkeypatch.setattr(changes, "process_of", second_request_first)
    assert changes.stop(service, record.id).state == "stopping"
    assert signals(service, process) == "1"


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"machine": "another boot pid:[1]"}, "on another machine or in another container; stop it there"),
        ({"pid": os.getpid(), "process_start": process_start(os.getpid())}, "stop it in the terminal that runs it"),
    ],
    ids=["another machine", "a process that does not work there"],
)
def test_no_other_process_is_stopped(service, terminal, changed, message):
    process, record = terminal
    folder = service.settings.root / "run"
    own = {"pid": process.pid, "process_start": process_start(process.pid)}
    a_status(folder, **(own | changed)).write(folder)
    with pytest.raises(ConflictError, match=message):
        changes.stop(service, record.id)
    assert signals(service, process) == "0"
    assert service.searches.get(record.id).state == "running"


def test_a_trial_of_a_sweep_is_not_stopped_alone(service, terminal):
    _, record = terminal
    sweep = service.settings.root / "sweep"
    (sweep / "trials").mkdir(parents=True)
    (sweep / "sweep.yaml").write_text("{}")
    (service.settings.root / "run").rename(sweep / "trials" / "run")
    service.searches.update(record.id, path="sweep/trials/run")
    with pytest.raises(ConflictError, match="trial of the sweep sweep"):
        changes.stop(service, record.id)
