"""Walks and searches that are broken off, and whether they come to what an unbroken one comes to."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import gymnasium as gym
import pytest
from helpers.made_up_table import Table
from stable_baselines3.common.save_util import load_from_zip_file

import aen_envs  # noqa: F401
from aen._typing import JsonDict
from aen.children import DenseSpec
from aen.data import DataSpec
from aen_agents.agents.dqn.sb3_loop import explore
from aen_agents.agents.dqn.visits import Visits
from aen_agents.config import BudgetConfig, DQNConfig, SearchConfig
from aen_agents.events import Event, Visited
from aen_agents.runs.folder import RunFolder

Run = Callable[[SearchConfig, Path], tuple[RunFolder, JsonDict]]

NAMES = ("rot90", "hflip", "hshift(1/4)", "vshift(1/4)", "quadrants", "swap_lr")
CHILD = DenseSpec(data=DataSpec(), grids=(4, 4))
STEPS = 60
AGENT = DQNConfig(
    layers=(16,), learn_after=8, batch_size=8, gradient_steps=1, target_update=7, epsilon=((0, 1.0), (0.2, 0.5))
)


def walk(folder: Path, *, stop_at: int | None = None, every: float = 0.0) -> tuple[Visits, list[str]]:
    """Walk on a made-up table, from the last checkpoint on; optionally interrupted when a step's result is there."""
    notices: list[str] = []

    def listener(event: Event) -> None:
        if isinstance(event, Visited) and event.step == stop_at:
            raise KeyboardInterrupt

    visits = Visits(
        budget=BudgetConfig(children=1000, steps=STEPS),
        counted="classes",
        classes=64,
        states=64,
        listener=listener,
        history=folder / "history.jsonl",
    )
    env = gym.make("aen/GroupDecomposition-v0", child=CHILD, alphabet=NAMES, evaluator=Table(), horizon=5)
    (folder / "agent").mkdir(parents=True, exist_ok=True)
    try:
        explore(AGENT, env, visits, seed=3, folder=folder, checkpoint_seconds=every, notice=notices.append)
    finally:
        visits.close()
    return visits, notices


def broken_walk(folder: Path, *stops: int) -> None:
    for stop in stops:
        with pytest.raises(KeyboardInterrupt):
            walk(folder, stop_at=stop)


def assert_same(folder: Path, whole: Path) -> None:
    assert (folder / "history.jsonl").read_bytes() == (whole / "history.jsonl").read_bytes()
    _, ours, _ = load_from_zip_file(folder / "agent" / "dqn.zip")
    _, theirs, _ = load_from_zip_file(whole / "agent" / "dqn.zip")
    for part in ("policy", "policy.optimizer"):
        assert str(ours[part]) == str(theirs[part])


TIMES = {"seconds", "finished_at"}
# Of the last start, and of all of them as far as their last words came.
COUNTS = ("seconds", "children_trained", "children_trained_in_all")


def rows(folder: RunFolder) -> list[tuple[object, ...]]:
    with sqlite3.connect(folder.store_file) as connection:
        names = [row[1] for row in connection.execute("pragma table_info(evaluations)")]
        kept = ", ".join(name for name in names if name not in TIMES)
        return connection.execute(f"select {kept} from evaluations order by key").fetchall()


def finishing_times(folder: RunFolder) -> dict[str, float]:
    if not folder.store_file.is_file():
        return {}
    with sqlite3.connect(folder.store_file) as connection:
        return dict(connection.execute("select key, finished_at from evaluations").fetchall())


def figures(summary: JsonDict) -> JsonDict:
    return {name: value for name, value in summary.items() if name not in COUNTS}


def assert_same_run(folder: RunFolder, whole: RunFolder) -> None:
    ours, theirs = folder.summary(), whole.summary()
    assert ours is not None
    assert theirs is not None
    assert figures(ours) == figures(theirs)
    assert folder.history_file.read_bytes() == whole.history_file.read_bytes()
    assert rows(folder) == rows(whole)
