"""The agents that are algorithms of Stable-Baselines3: whole searches, and runs that are resumed."""

import json
import shutil

import pytest

from aen.errors import ConfigError
from aen_agents.agents.sb3 import checks
from aen_agents.cli.main import main
from aen_agents.config import load_config

SMALL = [
    *(
        "alphabet=[rot90, hflip, vflip]",
        "child.hidden=[8]",
        "training.epochs=1",
        "selection.seeds=2",
        "selection.top=1",
    ),
    *("data.train=60", "data.validation=60", "data.test=60", "budget.children=4", "budget.steps=60"),
]


@pytest.mark.parametrize(
    "name", ["ppo", pytest.param("qrdqn", marks=pytest.mark.slow), pytest.param("maskable_ppo", marks=pytest.mark.slow)]
)
def test_a_search_and_its_resumption(name, tmp_path):
    if name != "ppo":
        pytest.importorskip("sb3_contrib", reason="sb3-contrib is in requirements-dev.lock")
    run, again = tmp_path / "run", tmp_path / "again"
    assert main(["search", "digits", f"agent={name}", *SMALL, "--out", str(run)]) == 0
    summary = json.loads((run / "summary.json").read_text())
    assert summary["agent"] == name
    assert summary["classes_visited"] == 4
    assert "stable-baselines3" in summary["provenance"]
    assert (run / "agent" / f"{name}.zip").is_file()
    # Killed while it explored: no summary, and half of the history.
    shutil.copytree(run, again)
    (again / "summary.json").unlink()
    history = (again / "history.jsonl").read_text().splitlines(keepends=True)
    (again / "history.jsonl").write_text("".join(history[: len(history) // 2]))
    assert main(["resume", str(again)]) == 0
    assert (again / "history.jsonl").read_text() == "".join(history)
    resumed = json.loads((again / "summary.json").read_text())
    assert resumed["children_trained"] == 0
    assert resumed["verdict"] == summary["verdict"] if "verdict" in summary else True


def test_several_environments_step_together(tmp_path):
    run = tmp_path / "run"
    assert main(["search", "digits", "agent=ppo", *SMALL, "environment.n_envs=2", "--out", str(run)]) == 0
    assert json.loads((run / "summary.json").read_text())["classes_visited"] >= 4


def test_a_library_that_is_missing_is_named(monkeypatch):
    config = load_config("digits", ["agent=qrdqn"])
    monkeypatch.setattr(checks, "find_spec", lambda _: None)
    with pytest.raises(
        ConfigError, match=r"agent.name is qrdqn, which needs sb3-contrib; install it: pip install 'aen\[contrib\]'"
    ):
        checks.check_package(config.agent, None)
