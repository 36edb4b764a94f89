"""Versions of the run folder."""

import json
import shutil
from pathlib import Path

import pytest

from aen._typing import JsonDict
from aen.errors import RunFolderError
from aen_agents.config import SearchConfig
from aen_agents.runs import folder as run_folder
from aen_agents.runs.folder import RunFolder
from aen_agents.search import Search

# Keys that configs of that time did not have.
_NEWER = ("  address:", "  connect_timeout:", "  token_file:", "cluster:", "debug:")


def test_a_folder_of_before_there_were_versions_is_taken_up(
    finished: tuple[RunFolder, JsonDict], tiny_config: SearchConfig, tmp_path: Path
) -> None:
    folder = RunFolder.create(tiny_config, tmp_path / "old")
    folder.version_file.unlink()
    # It lacks what was added since, and is written otherwise.
    lines = folder.config_file.read_text().splitlines()
    config = [line for line in lines if not line.startswith(_NEWER)]
    assert len(config) == len(lines) - len(_NEWER)
    folder.config_file.write_text("\n".join(["# mine", *config]) + "\n")
    shutil.copy(finished[0].store_file, folder.store_file)
    folder.history_file.write_text(finished[0].history_file.read_text().splitlines()[0] + "\n")
    again = RunFolder.create(tiny_config, folder.path)
    head = json.loads(folder.version_file.read_text())
    assert (head["version"], head["aen"]) == (1, run_folder.version("aen"))
    assert head["config"] == tiny_config.model_dump(mode="json", exclude={"store"})  # from now on edits are noticed
    assert again.config() == tiny_config
    assert RunFolder.open(folder.path).history() == finished[0].history()[:1]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            '{"version": 2, "aen": "9.9"}',
            r"has version 2, created by aen 9\.9; this is aen .*which supports version 1\. Use",
        ),
        (
            '{"version": 0, "aen": "0.0"}',
            r"has version 0, created by aen 0\.0; this is aen .*which supports version 1\. Use",
        ),
        ('{"version"', r"run\.json is damaged: it ends unexpectedly in line 1\. If"),
        ("[]", r"run\.json is damaged: its content has the wrong type\. If"),
        ('{"version": null, "aen": 1}', r"run\.json is damaged: its content has the wrong type"),
        ('{"version": 1}', r"run\.json is damaged: it lacks aen\. If"),
        ('{"version": 1, "aen": "0.1.0", "config": 3}', r"run\.json is damaged: its content has the wrong type"),
    ],
)
def test_a_folder_of_another_version_is_refused(
    content: str, message: str, tiny_config: SearchConfig, tmp_path: Path
) -> None:
    folder = RunFolder.create(tiny_config, tmp_path / "other")
    folder.version_file.write_text(content)
    for act in (lambda: RunFolder.open(folder.path), lambda: RunFolder.create(tiny_config, folder.path)):
        with pytest.raises(RunFolderError, match=message):
            act()


def test_a_config_that_cannot_be_read_any_more_is_refused(tiny_config: SearchConfig, tmp_path: Path) -> None:
    folder = RunFolder.create(tiny_config, tmp_path / "other")
    folder.config_file.write_text(folder.config_file.read_text() + "later: 1\n")
    with pytest.raises(RunFolderError, match=r"has a config that this aen .* cannot read: .*unknown key 'later'"):
        RunFolder.create(tiny_config, folder.path)


def test_a_run_keeps_the_key_version_of_its_children(tiny_config: SearchConfig, tmp_path: Path) -> None:
    folder = RunFolder.create(tiny_config, tmp_path / "run")
    folder.check_key_version("child-7")
    folder.check_key_version("child-7")
    message = (
        r"has children of key version child-7, .* \(key version child-8, docs/store.md\), so .* search .*run/config"
    )
    with pytest.raises(RunFolderError, match=message):
        folder.check_key_version("child-8")
    assert json.loads(folder.version_file.read_text())["version"] == 1


def test_a_run_of_before_key_versions_were_recorded_has_the_first(tiny_config: SearchConfig, tmp_path: Path) -> None:
    folder = RunFolder.create(tiny_config, tmp_path / "run")
    folder.history_file.write_text("{}\n")
    with pytest.raises(RunFolderError, match=r"has children of key version child-4, .* cannot be resumed"):
        folder.check_key_version("child-5")
    folder.check_key_version("child-4")


def test_a_search_whose_children_are_trained_otherwise_by_now_is_not_resumed(
    finished: tuple[RunFolder, JsonDict], tiny_config: SearchConfig, tmp_path: Path
) -> None:
    shutil.copytree(finished[0].path, tmp_path / "run")
    folder = RunFolder.create(tiny_config, tmp_path / "run")
    head = json.loads(folder.version_file.read_text())
    assert head["key_version"] == "child-4"  # of dense children
    folder.version_file.write_text(json.dumps(head | {"key_version": "child-3"}))
    before = {file: file.read_bytes() for file in folder.path.rglob("*") if file.is_file()}
    with pytest.raises(RunFolderError, match=r"key version child-3, .* cannot be resumed"):
        Search(tiny_config, lambda _: None).run(folder)
    assert {file: file.read_bytes() for file in folder.path.rglob("*") if file.is_file()} == before
