"""Asynchronous successive halving (ASHA) that resumes, and lets trials that it stops end in order."""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any

from ray.tune.schedulers import ASHAScheduler, TrialScheduler

from aen_agents.runs.trial_files import Report
from aen_agents.sweep.config import AshaConfig


@dataclass(frozen=True)
class _TrialNumber:
    """The part of a Tune trial that ASHA reads: its id. This one is the same after a restart; Tune's own is random."""

    trial_id: str


class ResumableASHA(ASHAScheduler):
    """Tune's `ASHAScheduler` with two differences.

    Trials are identified by their numbers in the sweep, so that reports from before an interruption count. And a trial
    that is to be stopped is notified and ends by itself: Tune would end its process at once, leaving its leases in the
    store and its run folder without a summary.

    Args:
        rule: the sweep's section ``stop``.
        most: largest budget of children of all trials.
        stop: is called with the number of a trial to stop, and its last report.
    """

    def __init__(self, rule: AshaConfig, most: int, stop: Callable[[int, Report], None]) -> None:
        super().__init__(
            time_attr="children",
            metric=rule.metric,
            mode="max",
            max_t=most,
            grace_period=rule.grace,
            reduction_factor=rule.reduction,
            stop_last_trials=False,  # the selection follows the last rung, and is not part of the budget
        )
        self._stop = stop

    def restore_reports(self, number: int, reports: Iterable[Report]) -> None:
        """Add earlier reports of a trial, without stopping it."""
        trial: Any = _TrialNumber(str(number))
        controller: Any = None
        super().on_trial_add(controller, trial)
        for report in reports:
            super().on_trial_result(controller, trial, asdict(report))

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:  # noqa: ANN401 - Tune's own
        """Add a trial."""
        super().on_trial_add(tune_controller, _numbered(trial))

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:  # noqa: ANN401
        """Add a report, and notify the trial if it is to be stopped."""
        if super().on_trial_result(tune_controller, _numbered(trial), result) == TrialScheduler.STOP:
            report = Report(int(result["children"]), float(result["best_validation_accuracy"]))
            self._stop(int(trial.config["number"]), report)
        decision: str = TrialScheduler.CONTINUE
        return decision

    def on_trial_complete(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> None:  # noqa: ANN401
        """Remove a trial; its reports still count."""
        super().on_trial_complete(tune_controller, _numbered(trial), result)

    def on_trial_remove(self, tune_controller: Any, trial: Any) -> None:  # noqa: ANN401
        """Remove a trial that did not complete; its reports still count."""
        super().on_trial_remove(tune_controller, _numbered(trial))


def _numbered(trial: Any) -> Any:  # noqa: ANN401 - Tune's trial, or what replaces it
    return _TrialNumber(str(trial.config["number"]))
