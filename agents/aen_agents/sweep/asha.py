"""Asynchronous successive halving that can be taken up again, and stops trials by asking them."""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any

from ray.tune.schedulers import ASHAScheduler, TrialScheduler

from aen_agents.runs.trial_files import Report
from aen_agents.sweep.config import AshaConfig


@dataclass(frozen=True)
class _Known:
    """A trial as the rule sees it: by our number, which stays when Tune's own names change."""

    trial_id: str


class GentleASHA(ASHAScheduler):
    """Tune's ASHA, with two differences.

    Trials are known by our numbers, so that what they reported before a sweep was interrupted still counts. And who is
    to be stopped is told so and ends by itself: Tune would end its process, in the middle of whatever it is at.

    Args:
        rule: the sweep's section ``stop``.
        most: the largest budget of children of all trials.
        stop: is told the number of a trial that is to be stopped, and its last report.
    """

    def __init__(self, rule: AshaConfig, most: int, stop: Callable[[int, Report], None]) -> None:
        super().__init__(
            time_attr="children",
            metric=rule.metric,
            mode="max",
            max_t=most,
            grace_period=rule.grace,
            reduction_factor=rule.reduction,
            stop_last_trials=False,  # after the last rung comes the selection, which is no part of the budget
        )
        self._stop = stop

    def remember(self, number: int, reports: Iterable[Report]) -> None:
        """Take in what a trial reported earlier, without deciding anything anew."""
        known: Any = _Known(str(number))
        nobody: Any = None
        super().on_trial_add(nobody, known)
        for report in reports:
            super().on_trial_result(nobody, known, asdict(report))

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:  # noqa: ANN401 - Tune's own
        """Note a trial."""
        super().on_trial_add(tune_controller, _known(trial))

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:  # noqa: ANN401
        """Note a report, and let the trial know if it is to end."""
        if super().on_trial_result(tune_controller, _known(trial), result) == TrialScheduler.STOP:
            report = Report(int(result["children"]), float(result["best_validation_accuracy"]))
            self._stop(int(trial.config["number"]), report)
        going_on: str = TrialScheduler.CONTINUE
        return going_on

    def on_trial_complete(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> None:  # noqa: ANN401
        """Forget a trial, not what it reported."""
        super().on_trial_complete(tune_controller, _known(trial), result)

    def on_trial_remove(self, tune_controller: Any, trial: Any) -> None:  # noqa: ANN401
        """Forget a trial that ended otherwise."""
        super().on_trial_remove(tune_controller, _known(trial))


def _known(trial: Any) -> Any:  # noqa: ANN401 - Tune's trial, or what stands for it
    return _Known(str(trial.config["number"]))
