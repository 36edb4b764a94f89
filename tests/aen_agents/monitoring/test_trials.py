"""The trials of a sweep, as `aen status` and `aen list` tell of them."""

from pathlib import Path

import pytest
from helpers.tiny_sweeps import SEEDS, make
from helpers.watched_runs import a_status

from aen_agents.cli.main import main
from aen_agents.monitoring import view_run
from aen_agents.runs.folder import RunFolder
from aen_agents.runs.trial_files import Report, TrialFiles
from aen_agents.sweep.folder import SweepFolder
from aen_agents.text import command

DEAD = {"process_start": 1}  # of a process that is gone


@pytest.fixture
def sweep(tmp_path: Path) -> SweepFolder:
    return make(tmp_path, SEEDS)[0]


@pytest.fixture
def trial(sweep: SweepFolder) -> TrialFiles:
    first = sweep.load()[1][0]
    RunFolder.create(first.config, sweep.files(first).path)
    return sweep.files(first)


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({"state": "interrupted"}, "stopped by the sweep"),
        (DEAD, "stopped by the sweep"),  # it was killed before it could obey
        ({}, "running"),  # it is about to obey
        ({"state": "complete"}, "complete"),  # it came to its end before it was asked
        ({"state": "failed"}, "failed"),
    ],
    ids=["obeyed", "killed", "running", "complete", "failed"],
)
def test_a_trial_that_the_sweep_stopped(trial: TrialFiles, changes: dict[str, object], state: str) -> None:
    a_status(trial.path, **changes).write(trial.path)
    trial.stop(Report(3, 0.5))
    view = view_run(trial.path)
    assert view.state == state
    if state == "stopped by the sweep":
        assert view.remarks == ()
        assert "no action is needed" in (view.message or "")
        assert "resume" not in str(view.to_json())


@pytest.mark.parametrize("changes", [{"state": "interrupted"}, DEAD], ids=["interrupted", "killed"])
def test_a_trial_that_ended_with_its_sweep_goes_on_with_it(
    sweep: SweepFolder, trial: TrialFiles, changes: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    a_status(trial.path, **changes).write(trial.path)
    view = view_run(trial.path)
    assert view.state == ("stopped" if changes is DEAD else "interrupted")
    assert f"`{command()} sweep --restore {sweep.path}` resumes" in view.remarks[0]
    monkeypatch.chdir(trial.path)
    assert f"`{command()} sweep --restore {sweep.path.resolve()}` resumes" in view_run(Path()).remarks[0]


@pytest.mark.parametrize("changes", [None, DEAD], ids=["before it began", "killed"])
def test_a_trial_that_failed_without_a_word_is_told_by_the_sweep(
    trial: TrialFiles, changes: dict[str, object] | None
) -> None:
    if changes is not None:
        a_status(trial.path, **changes).write(trial.path)
    trial.fail("its process ended before it did")
    view = view_run(trial.path)
    assert (view.state, view.message) == ("failed", "its process ended before it did")
    assert "sweep --restore" in view.remarks[0]


@pytest.mark.parametrize("verb", ["status", "resume", "report"])
def test_a_sweep_is_no_run(sweep: SweepFolder, verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([verb, str(sweep.path)]) == 2
    said = capsys.readouterr().err
    assert f"{sweep.path} is a sweep's folder, not a run's: `{command()} list {sweep.path}` lists its trials" in said
