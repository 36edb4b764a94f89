"""Searches that are killed without a word."""

import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from helpers.broken_runs import Run, assert_same_run, finishing_times

from aen._typing import JsonDict
from aen_agents.config import SearchConfig
from aen_agents.runs.folder import RunFolder

KILLED = """
import os, signal, sys, threading
from pathlib import Path
from aen_agents.agents.dqn.explorer import DQNExplorer
from aen_agents.events import Retrained, Visited
from aen_agents.runs.folder import RunFolder
from aen_agents.search import Search

DQNExplorer.checkpoint_seconds = 0.0
left, seconds = int(sys.argv[2]), float(sys.argv[3])

def listener(event):
    global left
    left -= isinstance(event, Visited | Retrained)
    if left == 0:
        # A timer, so that it strikes anywhere: in a training, a commit, a checkpoint, a gradient step.
        threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGKILL)).start()

folder = RunFolder.open(Path(sys.argv[1]))
Search(folder.config(), listener).run(folder)
"""


def kill(folder: RunFolder, *, after: int, seconds: float) -> bool:
    """Go on with a run in a process of its own, which is killed so many seconds after so many children."""
    command = [sys.executable, "-c", KILLED, str(folder.path), str(after), str(seconds)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode != 0


@pytest.mark.usefixtures("often")
def test_a_killed_run_goes_on(
    finished: tuple[RunFolder, JsonDict], run_search: Run, tiny_config: SearchConfig, tmp_path: Path
) -> None:
    folder = RunFolder.create(tiny_config, tmp_path / "killed")
    assert kill(folder, after=5, seconds=0.0)
    before = finishing_times(folder)
    run_search(tiny_config, folder.path)
    assert_same_run(folder, finished[0])
    after = finishing_times(folder)
    assert {key: after[key] for key in before} == before


@pytest.mark.slow
def test_a_run_that_is_killed_again_and_again(run_search: Run, tiny_config: SearchConfig, tmp_path: Path) -> None:
    changes: dict[str, Any] = {"seed": 1, "budget": {"children": 11, "steps": 200}}
    config = SearchConfig.model_validate(tiny_config.model_dump() | changes)
    whole, _ = run_search(config, tmp_path / "whole")
    folder = RunFolder.create(config, tmp_path / "killed")
    moments = random.Random(0)  # noqa: S311
    kills, trained = 0, {}
    while kill(folder, after=moments.randint(4, 12), seconds=moments.uniform(0, 0.05)):
        kills += 1
        now = finishing_times(folder)
        assert {key: now.get(key) for key in trained} == trained
        trained = now
    assert kills >= 3
    now = finishing_times(folder)
    assert {key: now.get(key) for key in trained} == trained
    assert_same_run(folder, whole)
