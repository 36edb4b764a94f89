"""What is counted while a search runs."""

from dataclasses import replace
from pathlib import Path

import pytest
from helpers.watched_runs import VISITED, a_status

from aen.evaluators import Activity
from aen_agents.events import Retrained, StageStarted, Trained
from aen_agents.monitoring.status import Best, Children, Rate, Stage
from aen_agents.monitoring.tracker import ProgressTracker


def test_stage_best_and_time_left() -> None:
    clock = [100.0]
    tracker = ProgressTracker(clock=lambda: clock[0])
    tracker(StageStarted("explore", 50))
    for visits in range(1, 21):
        clock[0] += 2.0
        tracker(replace(VISITED, visits=visits, accuracy=0.5, best=0.9 if visits > 5 else 0.5, group="C2"))
        if visits == 6:
            tracker(VISITED)
            tracker(replace(VISITED, visits=6))
        tracker.note(Activity(4, 3, 2, visits, 1))
    assert tracker.stage() == Stage(name="explore", done=20, total=50, unit="children", seconds_left=60.0)
    assert tracker.best == Best(accuracy=0.9, group="D4", factors="rot90 + hflip")
    assert tracker.children() == Children(done=20, running=3, waiting=2, trained=20, failed=1)
    assert tracker.rate() == Rate(last_minute=0.5, overall=0.5)
    assert (tracker.workers, tracker.seconds) == (4, 40.0)
    tracker(StageStarted("select", 4))
    tracker(Retrained("rot90", 0.99))  # another seed: it is no best of exploring
    assert tracker.best.accuracy == 0.9
    assert tracker.children().done == 21
    assert tracker.stages == {"explore": 20, "select": 1}


def test_the_rate_of_the_last_minute_forgets_what_was_looked_up() -> None:
    clock = [0.0]
    tracker = ProgressTracker(clock=lambda: clock[0])
    tracker(StageStarted("explore", 2000))
    done = 0
    for second in range(200):
        clock[0] += 1.0
        for _ in range(1000 if second == 0 else 1):
            done += 1
            tracker(Trained(3, "rot90", "class", done, 0.8))
        tracker.note(Activity(1, 1, 0, done, 0))
    rate, stage = tracker.rate(), tracker.stage()
    assert rate.last_minute == pytest.approx(1.0)
    assert rate.overall == pytest.approx(1199 / 200)
    assert stage is not None
    assert stage.seconds_left == pytest.approx(2000 - 1199)


def test_the_time_left_knows_the_limit_of_steps() -> None:
    clock = [0.0]
    tracker = ProgressTracker(clock=lambda: clock[0])
    tracker(StageStarted("explore", 100, steps=90))
    for step in range(1, 61):
        clock[0] += 1.0
        tracker(replace(VISITED, step=step, visits=min(step, 20)))
        tracker.note(Activity(1, 1, 0, min(step, 20), 0))
    stage = tracker.stage()
    assert stage is not None
    assert (stage.done, stage.total) == (20, 100)
    assert stage.seconds_left == pytest.approx(30.0)  # the children alone would need 240 s
    tracker(StageStarted("select", 4))
    clock[0] += 1.0
    tracker(Retrained("rot90", 0.9))
    stage = tracker.stage()
    assert stage is not None
    assert stage.seconds_left == pytest.approx(3.0)


def test_slow_children_have_a_rate_too() -> None:
    clock = [0.0]
    tracker = ProgressTracker(clock=lambda: clock[0])
    tracker(StageStarted("explore", 10))
    for done in range(1, 4):
        for _ in range(3600):
            clock[0] += 1.0
            tracker.note(Activity(1, 1, 0, done - 1, 0))
        tracker(Trained(3, "rot90", "class", done, 0.8))
    tracker.note(Activity(1, 1, 0, 3, 0))
    stage = tracker.stage()
    assert stage is not None
    assert stage.seconds_left == pytest.approx(7 * 3600, rel=0.01)


def test_a_run_that_goes_on_counts_on(tmp_path: Path) -> None:
    clock = [0.0]
    earlier = a_status(tmp_path, stages={"explore": 34, "select": 2})
    tracker = ProgressTracker(earlier, clock=lambda: clock[0])
    tracker(StageStarted("explore", 60))
    tracker(replace(VISITED, visits=34, accuracy=0.1, best=0.972))  # what is told of what was done before
    clock[0] = 10.0
    tracker(replace(VISITED, visits=39, accuracy=0.1, best=0.972))
    tracker.note(Activity(1, 0, 0, 5, 2))
    assert tracker.stages == {"explore": 39}
    assert tracker.best == earlier.best
    assert tracker.children() == Children(done=39, running=0, waiting=0, trained=38, failed=3)
    assert tracker.seconds == 100.0
    stage = tracker.stage()
    assert stage is not None
    assert stage.seconds_left is not None
    assert 30 < stage.seconds_left < 50  # at half a child a second, not at 39 in ten seconds
