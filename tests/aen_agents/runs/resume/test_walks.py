"""A walk that is broken off and goes on is the whole walk."""

import shutil
from pathlib import Path

import pytest
from helpers.broken_runs import STEPS, assert_same, broken_walk, walk
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator


def scalars(folder: Path, name: str) -> list[tuple[int, float]]:
    # TensorBoard reads files in the order of the seconds in their names; here all starts fall into one second.
    files = sorted((folder / "tensorboard").iterdir(), key=lambda path: path.stat().st_mtime_ns)
    for number, file in enumerate(files):
        file.rename(file.with_name(f"events.out.tfevents.{number:010d}.here"))
    events = EventAccumulator(str(folder / "tensorboard"))
    events.Reload()
    return [(event.step, event.value) for event in events.Scalars(name)]


@pytest.mark.parametrize("stops", [(20,), (1, 9, 10, 33, 59)], ids=["once", "often"])
def test_a_broken_walk_is_the_whole_walk(stops: tuple[int, ...], whole: Path, tmp_path: Path) -> None:
    broken_walk(tmp_path, *stops)
    visits, notices = walk(tmp_path)
    # At the stop a step was on its way: the checkpoint before it is what the run goes on from.
    assert notices == [f"resuming after step {stops[-1] - 1}"]
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
    assert notices == [f"resuming after step {STEPS}"]
    assert (tmp_path / "again" / "agent" / "dqn.zip").stat().st_mtime_ns == before
