"""A walk that nothing broke, and checkpoints after every step."""

from pathlib import Path

import pytest

from aen_agents.agents.dqn.explorer import DQNExplorer

pytest.register_assert_rewrite("broken_runs")
from helpers.broken_runs import STEPS, walk  # noqa: E402 - its assertions say what they compared


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("walks") / "whole"
    visits, notices = walk(folder, every=1000)
    assert (visits.steps, notices) == (STEPS, [])
    return folder


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DQNExplorer, "checkpoint_seconds", 0.0)
