"""Runs that `aen search` made below the root are found, shown as they are, and forgotten when they are gone."""

import shutil
import subprocess
import sys

import pytest
from helpers.made_runs import make_run
from helpers.watched_runs import a_status

from aen._processes import process_start
from aen_service.searches import changes, removal
from aen_service.searches.records import ENDED

TOKEN = "of whom it is"  # noqa: S105 - no secret


@pytest.fixture
def root(service):
    return service.settings.root


def found(service, *, find=True):
    service.index.step(find=find)
    return {record.path: record for record in service.searches.where()}


def test_runs_in_subfolders_are_found_once(service, root):
    make_run(root / "one")
    make_run(root / "deep" / "er" / "two", state="interrupted")
    first = found(service)
    assert set(first) == {"one", "deep/er/two"}
    one = first["one"]
    assert (one.name, one.agent, one.data, one.state, one.children) == ("made", "dqn", "digits", "complete", 34)
    assert (one.accuracy, first["deep/er/two"].state) == (0.972, "stopped")
    assert one.view["path"] == "one"
    assert str(root) not in str(one.view["path"])
    again = found(service)
    assert {path: record.id for path, record in again.items()} == {path: record.id for path, record in first.items()}
    assert again["one"].updated == one.updated


@pytest.mark.parametrize(
    ("state", "shown"),
    [("complete", "complete"), ("interrupted", "stopped"), ("failed", "failed"), ("running", "running")],
)
def test_states_of_found_runs(service, root, state, shown):
    make_run(root / "run", state=state)
    record = found(service)["run"]
    assert record.state == shown
    assert (record.ended is not None) == (shown in ENDED)


def test_a_run_whose_process_was_killed_is_lost(service, root):
    make_run(root / "run", state="running")
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    start = process_start(process.pid)
    a_status(root / "run", pid=process.pid, process_start=start).write(root / "run")
    assert found(service)["run"].state == "running"
    process.kill()
    process.communicate()
    a_status(root / "run", pid=process.pid, process_start=start, seconds=91.0).write(root / "run")
    assert found(service)["run"].state == "lost"


def test_a_found_run_that_runs_is_not_taken_for_the_services_own(service, root):
    make_run(root / "run", state="running")
    found(service)
    for _ in range(3):
        service.scheduler.step()
    assert found(service)["run"].state == "running"
    assert not (service.settings.folder / "searches" / found(service)["run"].id).exists()


def test_changes_are_seen_and_the_row_keeps_its_identifier(service, root):
    make_run(root / "run", state="running")
    before = found(service)["run"]
    a_status(root / "run", state="complete", name="made", seconds=95.0).write(root / "run")
    after = found(service, find=False)["run"]
    assert (after.id, after.state) == (before.id, "complete")


def test_a_run_that_vanishes_goes(service, root):
    make_run(root / "run")
    assert found(service)
    shutil.rmtree(root / "run")
    assert found(service) == {}


def test_a_damaged_run_is_shown_with_the_reason(service, root):
    make_run(root / "run")
    (root / "run" / "status.json").write_text("{")
    record = found(service)["run"]
    assert (record.state, "status.json" in record.message) == ("failed", True)


def test_a_submitted_search_whose_folder_vanished_is_lost(service, root):
    search = service.searches.add(
        token=TOKEN, path="run", name="run", agent="dqn", data="digits", state="complete", request={"preset": "digits"}
    ).id
    make_run(root / "run")
    assert found(service)["run"].accuracy == 0.972
    shutil.rmtree(root / "run")
    record = found(service)["run"]
    assert (record.id, record.state, record.message) == (search, "lost", "its run folder run is gone")


def test_the_state_of_a_submitted_search_is_left_to_the_scheduler(service, root):
    service.searches.add(
        token=TOKEN, path="run", name="mine", agent="dqn", data="digits", state="stopped", request={"preset": "digits"}
    )
    make_run(root / "run")
    record = found(service)["run"]
    assert (record.state, record.name, record.children) == ("stopped", "mine", 34)


def test_a_search_that_is_being_deleted_is_not_taken_for_a_new_run(service, root, monkeypatch):
    search = service.searches.add(
        token=TOKEN, path="run", name="mine", agent="dqn", data="digits", state="stopped", request={"preset": "digits"}
    ).id
    make_run(root / "run")
    during = []

    def remove(*folders, really=removal._remove):
        during.append((found(service), (root / "run" / "config.yaml").exists()))
        really(*folders)

    monkeypatch.setattr(removal, "_remove", remove)
    changes.delete(service, search)
    assert during == [({}, True)]
    assert found(service) == {}
    make_run(root / "run")  # somebody uses the name again
    assert set(found(service)) == {"run"}
