"""A run folder may have any name that the file system allows."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

import aen
from aen._typing import JsonDict
from aen_agents.cli.main import main
from aen_agents.config import SearchConfig
from aen_agents.monitoring import find_runs
from aen_agents.report import build_report
from aen_agents.runs.folder import RunFolder

# Not UTF-8; with characters that have a meaning in URLs, in formats and in lines of text.
NAME = os.fsdecode(b"-\xff\n?mode=ro&x#100%25 %s '{}'")

Run = Callable[[SearchConfig, Path], tuple[RunFolder, JsonDict]]


def test_a_search_in_a_folder_with_an_odd_name(
    tiny_config: SearchConfig, run_search: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / NAME / NAME
    folder, summary = run_search(tiny_config, path)
    assert summary["status"] == "complete"
    assert [view.state for view in find_runs(tmp_path)] == ["complete"]
    assert isinstance(aen.load(path), aen.children.Child)
    folder.report_file.unlink()
    build_report(folder)
    assert folder.report_file.stat().st_size > 1000
    for command in ("status", "list", "resume"):
        assert main([command, str(path)]) == 0
    assert capsys.readouterr().err == ""
    assert sorted(tmp_path.iterdir()) == [tmp_path / NAME]
    assert list((tmp_path / NAME).iterdir()) == [path]
