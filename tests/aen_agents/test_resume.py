"""A run that is broken off and goes on comes to what an unbroken run comes to."""

import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import pytest
from made_up_table import Table
from stable_baselines3.common.save_util import load_from_zip_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import aen_envs  # noqa: F401
from aen._typing import JsonDict
from aen.children import DenseSpec
from aen.data import DataSpec
from aen.errors import RunFolderError
from aen_agents import run_folder
from aen_agents.cli import main
from aen_agents.config import BudgetConfig, DQNConfig, SearchConfig
from aen_agents.dqn import DQNExplorer, explore
from aen_agents.events import Event, Retrained, Visited
from aen_agents.run_folder import RunFolder
from aen_agents.search import Search
from aen_agents.visits import Visits

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
        assert isinstance(event, Visited)
        if event.step == stop_at:
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


def scalars(folder: Path, name: str) -> list[tuple[int, float]]:
    # TensorBoard reads files in the order of the seconds in their names; here all starts fall into one second.
    files = sorted((folder / "tensorboard").iterdir(), key=lambda path: path.stat().st_mtime_ns)
    for number, file in enumerate(files):
        file.rename(file.with_name(f"events.out.tfevents.{number:010d}.here"))
    events = EventAccumulator(str(folder / "tensorboard"))
    events.Reload()
    return [(event.step, event.value) for event in events.Scalars(name)]


def assert_same(folder: Path, whole: Path) -> None:
    assert (folder / "history.jsonl").read_bytes() == (whole / "history.jsonl").read_bytes()
    _, ours, _ = load_from_zip_file(folder / "agent" / "dqn.zip")
    _, theirs, _ = load_from_zip_file(whole / "agent" / "dqn.zip")
    for part in ("policy", "policy.optimizer"):
        assert str(ours[part]) == str(theirs[part])


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("walks") / "whole"
    visits, notices = walk(folder, every=1000)
    assert (visits.steps, notices) == (STEPS, [])
    return folder


@pytest.mark.parametrize("stops", [(20,), (1, 9, 10, 33, 59)], ids=["once", "often"])
def test_a_broken_walk_is_the_whole_walk(stops: tuple[int, ...], whole: Path, tmp_path: Path) -> None:
    broken_walk(tmp_path, *stops)
    visits, notices = walk(tmp_path)
    # At the stop a step was on its way: the checkpoint before it is what the run goes on from.
    assert notices == [f"going on after step {stops[-1] - 1}"]
    assert visits.steps == STEPS
    assert_same(tmp_path, whole)


def test_events_go_on_with_their_steps(whole: Path, tmp_path: Path) -> None:
    broken_walk(tmp_path, 22, 41)
    walk(tmp_path, every=1000)
    for name in ("search/accuracy", "rollout/ep_rew_mean", "rollout/exploration_rate", "train/loss"):
        assert scalars(tmp_path, name) == scalars(whole, name), name


def test_a_walk_that_is_over_is_not_walked_again(whole: Path, tmp_path: Path) -> None:
    shutil.copytree(whole, tmp_path / "again")
    before = (tmp_path / "again" / "agent" / "dqn.zip").stat().st_mtime_ns
    visits, notices = walk(tmp_path / "again")
    assert visits.why_finished() == "the limit of steps is reached"
    assert notices == [f"going on after step {STEPS}"]
    assert (tmp_path / "again" / "agent" / "dqn.zip").stat().st_mtime_ns == before


def newest(folder: Path, end: str, back: int = 0) -> Path:
    found = sorted((folder / "agent").glob(f"checkpoint-*.{end}"), key=lambda path: int(path.stem.split("-")[1]))
    return found[-1 - back]


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def tear_history(folder: Path) -> None:
    history = folder / "history.jsonl"
    history.write_bytes(history.read_bytes() + b'{"step": 2')


def lose_history(folder: Path) -> None:
    """The disk lost the last lines that the last checkpoint counts, but not those of the one before it."""
    history = folder / "history.jsonl"
    history.write_bytes(b"".join(history.read_bytes().splitlines(keepends=True)[:-2]))


def change_history(folder: Path) -> None:
    history = folder / "history.jsonl"
    history.write_bytes(history.read_bytes().replace(b'"step": 3', b'"step": 4', 1))


def damage_both(folder: Path) -> None:
    cut(newest(folder, "npz"))
    cut(newest(folder, "json", back=1))


DAMAGES: dict[str, tuple[Callable[[Path], object], list[str]]] = {
    "history torn": (tear_history, ["going on after step 19"]),
    "history short": (lose_history, ["the history is not that", "going on after step 18"]),
    "history changed": (change_history, ["the history is not", "the history is not", "no checkpoint is left"]),
    "history gone": (
        lambda folder: (folder / "history.jsonl").unlink(),
        ["the history is not", "the history is not", "no checkpoint is left"],
    ),
    "arrays torn": (lambda folder: cut(newest(folder, "npz")), ["is damaged and not used", "going on after step 18"]),
    "json torn": (lambda folder: cut(newest(folder, "json")), ["is damaged and not used", "going on after step 18"]),
    "both": (damage_both, ["is damaged and not used", "is damaged and not used", "no checkpoint is left"]),
    "none": (lambda folder: shutil.rmtree(folder / "agent"), []),
}


@pytest.mark.parametrize(("damage", "expected"), DAMAGES.values(), ids=DAMAGES)
def test_damage_costs_steps_but_never_the_result(
    damage: Callable[[Path], object], expected: list[str], whole: Path, tmp_path: Path
) -> None:
    broken_walk(tmp_path, 20)
    damage(tmp_path)
    _, notices = walk(tmp_path)
    assert len(notices) == len(expected)
    assert all(part in notice for part, notice in zip(expected, notices, strict=True))
    assert_same(tmp_path, whole)


def test_a_full_disk_ends_the_walk_and_keeps_it(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = os.write
    left = [30]

    def write(file: int, data: bytes) -> int:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(28, "No space left on device")
        return written(file, data[:9] if left[0] == 0 else data)

    monkeypatch.setattr(os, "write", write)
    with pytest.raises(RunFolderError, match=r"history\.jsonl cannot be written: No space left on device; make room"):
        walk(tmp_path)
    monkeypatch.undo()
    assert not (tmp_path / "history.jsonl").read_bytes().endswith(b"\n")
    walk(tmp_path)
    assert_same(tmp_path, whole)


# Whole searches.

TIMES = {"seconds", "finished_at"}


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
    return {name: value for name, value in summary.items() if name not in ("seconds", "children_trained")}


def assert_same_run(folder: RunFolder, whole: RunFolder) -> None:
    ours, theirs = folder.summary(), whole.summary()
    assert ours is not None
    assert theirs is not None
    assert figures(ours) == figures(theirs)
    assert folder.history_file.read_bytes() == whole.history_file.read_bytes()
    assert rows(folder) == rows(whole)


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DQNExplorer, "checkpoint_seconds", 0.0)


@pytest.mark.usefixtures("often")
def test_resume_comes_to_what_an_unbroken_run_comes_to(
    finished: tuple[RunFolder, JsonDict],
    tiny_config: SearchConfig,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = RunFolder.create(tiny_config, tmp_path / "broken")
    trained = 0
    for stop in ("step", "step", "selection"):
        steps = 0

        def interrupt(event: Event, stop: str = stop) -> None:
            nonlocal steps
            steps += isinstance(event, Visited)
            if (stop, steps) == ("step", 4) or (stop == "selection" and isinstance(event, Retrained)):
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            Search(tiny_config, interrupt).run(folder)
        summary = folder.summary()
        assert summary is not None
        trained += summary["children_trained"]
    before = finishing_times(folder)
    assert main(["resume", str(folder.path)]) == 0
    said = capsys.readouterr().out
    assert "note: going on after step" in said
    assert_same_run(folder, finished[0])
    after = finishing_times(folder)
    assert {key: after[key] for key in before} == before
    summary = folder.summary()
    assert summary is not None
    assert trained + summary["children_trained"] == finished[1]["children_trained"]
    assert summary["notices"] == finished[1]["notices"]


def test_resume_of_a_finished_run_says_so(
    finished: tuple[RunFolder, JsonDict], capsys: pytest.CaptureFixture[str]
) -> None:
    before = finished[0].history_file.stat().st_mtime_ns
    assert main(["resume", str(finished[0].path)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "holds this search already, finished; nothing was run" in said
    assert finished[1]["winner"]["group"] in said
    assert finished[0].history_file.stat().st_mtime_ns == before


def test_resume_of_no_run_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["resume", str(tmp_path / "nowhere")]) == 2
    assert "is not a run folder: there is no such folder" in capsys.readouterr().err
    assert main(["resume", str(tmp_path)]) == 2
    assert "is not a run folder: it has no config.yaml" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_resume_of_a_run_that_runs_is_refused(
    tiny_config: SearchConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = RunFolder.create(tiny_config, tmp_path / "run")
    with folder.locked():
        assert main(["resume", str(folder.path)]) == 2
    assert "another search is running in" in capsys.readouterr().err


@pytest.mark.slow
def test_an_exhaustive_run_is_resumed(
    exhausted: tuple[RunFolder, JsonDict], exhaustive_config: SearchConfig, tmp_path: Path
) -> None:
    folder = RunFolder.create(exhaustive_config, tmp_path / "broken")
    count = 0

    def interrupt(_: Event) -> None:
        nonlocal count
        count += 1
        if count == 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Search(exhaustive_config, interrupt).run(folder)
    before = finishing_times(folder)
    assert main(["resume", str(folder.path)]) == 0
    assert_same_run(folder, exhausted[0])
    after = finishing_times(folder)
    assert {key: after[key] for key in before} == before


# Versions of the folder.


def test_a_folder_of_before_there_were_versions_is_taken_up(
    finished: tuple[RunFolder, JsonDict], tiny_config: SearchConfig, tmp_path: Path
) -> None:
    folder = RunFolder.create(tiny_config, tmp_path / "old")
    folder.version_file.unlink()
    # It lacks what was added since, and is written otherwise.
    lines = folder.config_file.read_text().splitlines()
    config = [line for line in lines if not line.startswith(("  address:", "  connect_timeout:", "cluster:", "debug:"))]
    assert len(config) == len(lines) - 4
    folder.config_file.write_text("\n".join(["# mine", *config]) + "\n")
    shutil.copy(finished[0].store_file, folder.store_file)
    folder.history_file.write_text(finished[0].history_file.read_text().splitlines()[0] + "\n")
    again = RunFolder.create(tiny_config, folder.path)
    assert json.loads(folder.version_file.read_text()) == {"version": 1, "aen": run_folder.version("aen")}
    assert again.config() == tiny_config
    assert RunFolder.open(folder.path).history() == finished[0].history()[:1]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            '{"version": 2, "aen": "9.9"}',
            r"is of version 2, made by aen 9\.9; this is aen .*which knows version 1\. Use",
        ),
        (
            '{"version": 0, "aen": "0.0"}',
            r"is of version 0, made by aen 0\.0; this is aen .*which knows version 1\. Use",
        ),
        ('{"version"', r"run\.json is damaged"),
        ("[]", r"run\.json is damaged"),
        ('{"version": null, "aen": 1}', r"run\.json is damaged"),
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


# kill -9.

KILLED = """
import os, signal, sys, threading
from pathlib import Path
from aen_agents.dqn import DQNExplorer
from aen_agents.events import Retrained, Visited
from aen_agents.run_folder import RunFolder
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
