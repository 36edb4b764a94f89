"""Permissions: files of a run follow the umask, and a file that may not be read is not called missing or damaged."""

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.permissions import without_permission
from helpers.tiny_search import TINY

import aen
from aen._typing import JsonDict
from aen.errors import AenError
from aen_agents.agents.dqn.checkpoint import load as load_checkpoint
from aen_agents.cli.main import main
from aen_agents.config import SearchConfig, load_config
from aen_agents.monitoring import find_runs, view_run
from aen_agents.monitoring.status import Status
from aen_agents.report import build_report
from aen_agents.runs.folder import RunFolder
from aen_agents.runs.history import HistoryFile
from aen_agents.search import Search

Run = Callable[[SearchConfig, Path], tuple[RunFolder, JsonDict]]


@pytest.mark.parametrize(
    "mask", [0o002, pytest.param(0o022, marks=pytest.mark.slow), pytest.param(0o077, marks=pytest.mark.slow)]
)
def test_every_file_of_a_run_follows_the_umask(run_search: Run, tmp_path: Path, mask: int) -> None:
    config = SearchConfig.model_validate(TINY | {"training": {"epochs": 1}})
    before = os.umask(mask)
    try:
        folder, _ = run_search(config, tmp_path / "runs" / "one")
    finally:
        os.umask(before)
    paths = [folder.path.parent, *folder.path.parent.rglob("*")]
    names = {path.suffix for path in paths}
    assert {".safetensors", ".json", ".jsonl", ".sqlite", ".yaml", ".html", ".zip", ".npz"} <= names
    modes = {str(path): path.stat().st_mode & 0o777 for path in paths}
    assert modes == {str(path): (0o777 if path.is_dir() else 0o666) & ~mask for path in paths}


@pytest.fixture
def folder(finished: tuple[RunFolder, JsonDict], tmp_path: Path) -> RunFolder:
    """A copy of a finished run."""
    return RunFolder(Path(shutil.copytree(finished[0].path, tmp_path / "run")))


READERS: dict[str, tuple[str, Callable[[RunFolder], object]]] = {
    "load, weights": ("best/weights.safetensors", lambda folder: aen.load(folder.path)),
    "load, spec": ("best/spec.json", lambda folder: aen.load(folder.path)),
    "load, folder": ("best", lambda folder: aen.load(folder.path)),
    "open, version": ("run.json", lambda folder: RunFolder.open(folder.path)),
    "open, folder": (".", lambda folder: RunFolder.open(folder.path)),
    "search, folder": (".", lambda folder: RunFolder(folder.path).check(SearchConfig.model_validate(TINY))),
    "config": ("config.yaml", lambda folder: load_config(folder.config_file)),
    "result": ("summary.json", lambda folder: folder.result()),
    "status": ("status.json", lambda folder: Status.read(folder.path)),
    "history": ("history.jsonl", lambda folder: folder.history()),
    "report, store": ("results.sqlite", build_report),
    "report, history": ("history.jsonl", build_report),
    "resume, history": (
        "history.jsonl",
        lambda folder: HistoryFile(folder.history_file).resume({"bytes": 1, "sha256": "", "lines": 1}),
    ),
    "resume, store": ("results.sqlite", lambda folder: Search(folder.config(), lambda _: None).run(folder)),
}


@pytest.mark.parametrize(("name", "read"), READERS.values(), ids=READERS)
def test_a_file_without_permission_is_named(folder: RunFolder, name: str, read: Callable[[RunFolder], object]) -> None:
    said = rf"{re.escape(str(folder.path / name))}\S* may not be read by this user \(Permission denied\)"
    with without_permission(folder.path / name), pytest.raises(AenError, match=said) as error:
        read(folder)
    assert not re.search("missing|damaged|does not exist|remove", str(error.value))


@pytest.mark.parametrize("end", ["json", "npz"])
def test_a_checkpoint_without_permission_is_no_reason_to_start_again(folder: RunFolder, end: str) -> None:
    agent = folder.path / "agent"
    newest = max(agent.glob(f"checkpoint-*.{end}"))
    with without_permission(newest), pytest.raises(AenError, match=rf"{newest} may not be read by this user"):
        load_checkpoint(agent, lambda _: None)


@pytest.mark.parametrize("name", ["status.json", "run.json", "summary.json"])
def test_a_run_without_permission_is_listed_as_unreadable(
    folder: RunFolder, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with without_permission(folder.path / name):
        if name == "summary.json":
            (folder.path / "status.json").unlink()
        (view,) = find_runs(folder.path.parent)
        if name != "run.json":
            assert view_run(folder.path).state == "unreadable"
            assert main(["status", str(folder.path)]) == 2
    assert view.state == "unreadable"
    assert f"{name} may not be read by this user" in (view.message or "")
    assert "damaged" not in capsys.readouterr().out
