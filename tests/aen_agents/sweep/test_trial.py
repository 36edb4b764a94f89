"""One trial, in this process."""

from pathlib import Path

import pytest
from helpers.tiny_sweeps import SEEDS, evaluations, leases, make, run_here

from aen._typing import JsonDict
from aen.errors import RunFolderError
from aen_agents.monitoring import view_run
from aen_agents.runs.folder import RunFolder
from aen_agents.search import Search
from aen_agents.sweep.trial import TrialStopped


def test_a_trial_is_the_plain_search(tmp_path: Path) -> None:
    folder, (trial, _) = make(tmp_path, SEEDS)
    told: list[JsonDict] = []
    run_here(folder, trial, told)
    summary = folder.files(trial).summary()
    assert summary is not None
    plain = Search(trial.config, lambda _: None).run(RunFolder.create(trial.config, tmp_path / "plain")).to_json()
    for name in ("winner", "selection", "baseline", "steps"):
        assert summary[name] == plain[name]
    reports = folder.files(trial).reports()
    assert [report.children for report in reports] == [1, 2, 3, 4, 5, 6]
    history = folder.files(trial).run.history()
    assert [r.best_validation_accuracy for r in reports] == [visit["best"] for visit in history if visit["first"]]
    assert [report["stage"] for report in told][-1] != "explore"


def test_a_stopped_trial_ends_in_order_and_can_be_taken_up(tmp_path: Path) -> None:
    folder, (trial, _) = make(tmp_path, SEEDS)
    files = folder.files(trial)
    with pytest.raises(TrialStopped):
        run_here(folder, trial, [], stop_at=3)
    assert files.status() == "stopped"
    assert [report.children for report in files.reports()] == [1, 2, 3]
    assert leases(folder.store_file) == 0
    assert files.run.summary()["status"] == "interrupted"  # type: ignore[index]
    assert view_run(files.path).state == "stopped by the sweep"
    with pytest.raises(TrialStopped):  # it stays stopped
        run_here(folder, trial, [])
    files.stopped_file.unlink()
    told: list[JsonDict] = []
    run_here(folder, trial, told)
    assert (files.status(), view_run(files.path).state) == ("complete", "complete")
    assert [report.children for report in files.reports()] == [1, 2, 3, 4, 5, 6]
    assert [r["children"] for r in told if r["stage"] == "explore"] == [4, 5, 6], "a child was reported twice"
    whole, _ = make(tmp_path, SEEDS, "whole")
    run_here(whole, trial, [])
    assert evaluations(whole.store_file) == evaluations(folder.store_file)


def test_trials_train_nothing_twice(tmp_path: Path) -> None:
    # The agents walk differently and share seeds: what one trained, selection too, the other looks up.
    sweep = SEEDS | {"grid": {"agent.discount": [0.5, 0.9]}, "overrides": ["budget.children=16", "selection.top=16"]}
    folder, trials = make(tmp_path, sweep)
    trained = []
    for trial in trials:
        run_here(folder, trial, [])
        trained.append(folder.files(trial).summary()["children_trained"])  # type: ignore[index]
    assert sum(trained) == len(evaluations(folder.store_file))
    assert trained[1] < trained[0] // 4
    for trial in trials:
        assert (folder.files(trial).path / "best" / "weights.safetensors").is_file()


def test_a_trial_waits_for_the_process_of_a_killed_sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, (trial, _) = make(tmp_path, SEEDS)
    monkeypatch.setattr("aen_agents.sweep.trial.LOCK_SECONDS", 0.5)
    run = RunFolder.create(
        trial.config.model_copy(update={"store": folder.store(folder.load()[0])}), folder.files(trial).path
    )
    with run.locked(), pytest.raises(RunFolderError, match="another search is running"):
        run_here(folder, trial, [])
    run_here(folder, trial, [])
