"""The rule that stops weak trials."""

import os
from typing import Any

from aen_agents.runs.trial_files import Report
from aen_agents.sweep.config import AshaConfig


class FakeTrial:
    """What Tune calls a trial, as far as a scheduler looks at it."""

    def __init__(self, number: int) -> None:
        self.trial_id = f"random-{number}-{os.urandom(2).hex()}"
        self.config = {"number": number}


def curve(number: int, to: int) -> list[Report]:
    return [Report(children, 0.1 * number + 0.001 * children) for children in range(1, to + 1)]


def test_asha_stops_the_weak_and_remembers() -> None:
    from ray.tune.schedulers import ASHAScheduler, TrialScheduler

    from aen_agents.sweep.asha import ResumableASHA

    rule = AshaConfig(rule="asha", grace=3, reduction=2)
    stopped: list[tuple[int, int]] = []

    def feed(scheduler: Any, number: int, reports: list[Report]) -> list[str]:
        trial = FakeTrial(number)
        scheduler.on_trial_add(None, trial)
        results = [{"children": r.children, "best_validation_accuracy": r.best_validation_accuracy} for r in reports]
        return [scheduler.on_trial_result(None, trial, result) for result in results]

    plain = ASHAScheduler("children", "best_validation_accuracy", "max", 12, 3, 2, stop_last_trials=False)
    ours = ResumableASHA(rule, 12, lambda number, report: stopped.append((number, report.children)))
    expected = []
    for number in (3, 1, 4, 0, 5):
        said = feed(plain, number, curve(number, 12))
        expected += [(number, place + 1) for place, action in enumerate(said) if action == TrialScheduler.STOP]
        assert set(feed(ours, number, curve(number, 12))) == {TrialScheduler.CONTINUE}
    assert stopped == expected
    assert (1, 3) in stopped
    assert {number for number, _ in stopped} <= {0, 1}

    # Interrupted in between: what was reported counts, also that of a trial that goes on, and is decided once.
    again = ResumableASHA(rule, 12, lambda number, report: stopped.append((number, report.children)))
    stopped.clear()
    for number, to in ((3, 12), (1, 3), (4, 5)):
        again.restore_reports(number, curve(number, to))
    assert stopped == []
    feed(again, 4, curve(4, 12)[5:])
    assert stopped == []
    feed(again, 0, curve(0, 12))
    assert stopped[0] == (0, 3)
