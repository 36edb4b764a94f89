"""A run folder, a process that can be killed, and what `aen status` says."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from aen_agents.cli.main import main
from aen_agents.config import SearchConfig
from aen_agents.runs.folder import RunFolder


@pytest.fixture
def folder(tmp_path: Path, tiny_config: SearchConfig) -> RunFolder:
    return RunFolder.create(tiny_config, tmp_path / "runs" / "one")


@pytest.fixture
def sleeper() -> Iterator["subprocess.Popen[bytes]"]:
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process
        process.kill()


@pytest.fixture
def run_status(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    def run(*words: str) -> str:
        assert main(["status", *words]) == 0
        return capsys.readouterr().out

    return run
