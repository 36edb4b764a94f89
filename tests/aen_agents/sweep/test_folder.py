"""The sweep's folder and the files of its trials."""

import json
from pathlib import Path

import pytest
from helpers.permissions import without_permission
from helpers.tiny_sweeps import SEEDS, make, plan

from aen._typing import JsonDict
from aen.errors import RunFolderError
from aen_agents.runs.trial_files import Report
from aen_agents.sweep.folder import SweepFolder


def test_the_folder_holds_what_was_asked_for(tmp_path: Path) -> None:
    sweep = SEEDS | {"random": {"training.learning_rate": {"log_uniform": [1e-3, 1e-1]}}, "samples": 2}
    config, trials = plan(tmp_path, sweep | {"stop": {"rule": "asha", "grace": 2}})
    folder = SweepFolder.create(config, trials, tmp_path / "out")
    assert folder.load() == (config, trials)
    rows = json.loads(folder.trials_file.read_text())
    assert [row["overrides"][0] for row in rows] == [f"seed={trial.config.seed}" for trial in trials]
    SweepFolder.create(config, trials, tmp_path / "out")  # the same again
    more = config.model_copy(update={"concurrent": 7})
    assert SweepFolder.create(more, trials, tmp_path / "out").load()[0].concurrent == 7


@pytest.mark.parametrize(
    "change", [{"grid": {"seed": [0, 2]}}, {"name": "other"}, {"overrides": ["training.epochs=3"]}], ids=str
)
def test_a_folder_of_another_sweep_is_refused(change: JsonDict, tmp_path: Path) -> None:
    folder, _ = make(tmp_path, SEEDS)
    before = {file: file.read_bytes() for file in folder.path.iterdir() if file.is_file()}
    with pytest.raises(RunFolderError, match="belongs to another sweep"):
        make(tmp_path, SEEDS | change)
    assert {file: file.read_bytes() for file in folder.path.iterdir() if file.is_file()} == before


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("do not touch")
    with pytest.raises(RunFolderError, match="is not a sweep's folder"):
        make(tmp_path, SEEDS, "out")
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["thesis.txt"]


def test_a_damaged_folder_is_said(tmp_path: Path) -> None:
    folder, _ = make(tmp_path, SEEDS)
    whole = folder.trials_file.read_text()
    for text in (whole[:100], "[{}]", "7"):
        folder.trials_file.write_text(text)
        with pytest.raises(RunFolderError, match=r"trials\.json is damaged"):
            folder.load()


def test_a_folder_without_permission_is_named(tmp_path: Path) -> None:
    config, trials = plan(tmp_path, SEEDS)
    folder = SweepFolder.create(config, trials, tmp_path / "sweep").path
    said = r"sweep/sweep.yaml may not be read by this user \(Permission denied\)"
    with without_permission(folder):
        with pytest.raises(RunFolderError, match=said):
            SweepFolder.open(folder)
        with pytest.raises(RunFolderError, match=r"sweep cannot be written: Permission denied; choose another --out"):
            SweepFolder.create(config, trials, folder)


def test_two_drivers_do_not_share_a_folder(tmp_path: Path) -> None:
    folder, _ = make(tmp_path, SEEDS)
    with folder.locked(), pytest.raises(RunFolderError, match="is running already"), folder.locked():
        pass


def test_torn_reports_are_mended(tmp_path: Path) -> None:
    folder, (trial, _) = make(tmp_path, SEEDS)
    files = folder.files(trial)
    files.path.mkdir()
    for children in (1, 2):
        files.add_report(Report(children, 0.5))
    with files.reports_file.open("a") as file:
        file.write('{"children": 3, "best_val')
    assert files.mend_reports() == [Report(1, 0.5), Report(2, 0.5)]
    files.add_report(Report(3, 0.75))
    assert files.reports() == [Report(1, 0.5), Report(2, 0.5), Report(3, 0.75)]
