"""Shows the progress of a sweep on the console, from the callbacks of Ray Tune."""

from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from ray.tune.progress_reporter import TrialProgressCallback
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from aen_agents.sweep.folder import SweepFolder
from aen_agents.sweep.plan import Trial
from aen_agents.text import counted

_NAME = 40  # characters for a trial's name
_STAGES = {
    "explore": "exploring",
    "select": "selecting",
    "rival": "training the rival",
    "compare": "comparing",
    "test": "testing",
}


class SweepProgress(TrialProgressCallback):
    """Shows the trials of a sweep on a console, and records the failure of those whose process died.

    It is a `TrialProgressCallback` so that Tune does not add its own, which prints a line about each trial that ended
    without a report, whatever the verbosity.

    Args:
        console: a terminal gets progress bars, other outputs a line for each trial that ends.
        folder: of the sweep.
        trials: all trials.
        done: number of trials that ended earlier.
    """

    def __init__(self, console: Console, folder: SweepFolder, trials: list[Trial], done: int) -> None:
        super().__init__()
        self._console = console
        self._folder = folder
        self._trials = trials
        self._done = done
        self._progress = Progress(
            TextColumn(f"{{task.description:<{_NAME}}}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}"),
            console=console,
            disable=not console.is_terminal,
        )
        self._all = self._progress.add_task("trials", total=len(trials), completed=done, note="")
        self._bars: dict[int, TaskID] = {}

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._progress.stop()

    def __getstate__(self) -> dict[str, Any]:
        """Return nothing to pickle: Tune saves a copy of its callbacks, which is not used."""
        return {}

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **_info: Any) -> None:  # noqa: ANN401
        """Called by Tune when a trial starts."""
        del iteration, trials
        number = int(trial.config["number"])
        if number not in self._bars:
            name = f"  {number:03d} {self._trials[number].label}"
            name = name if len(name) <= _NAME else f"{name[: _NAME - 3]}..."
            self._bars[number] = self._progress.add_task(name, total=None, note="starting")

    def on_trial_result(
        self,
        iteration: int,
        trials: list[Any],
        trial: Any,  # noqa: ANN401 - Tune's
        result: dict[str, Any],
        **_info: Any,  # noqa: ANN401
    ) -> None:
        """Called by Tune with a report: of another child or another stage."""
        del iteration, trials
        bar = self._bars.get(int(trial.config["number"]))
        if bar is not None and "children" in result:
            stage = _STAGES.get(result["stage"], result["stage"])
            total = result["total"] if result["stage"] == "explore" else result["children"]
            note = f"{stage}, best {result['best_validation_accuracy']:.1%}"
            self._progress.update(bar, completed=result["children"], total=total, note=note)

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **_info: Any) -> None:  # noqa: ANN401
        """Called by Tune when a trial has ended by itself: complete, stopped by the rule, or failed with a message."""
        del iteration, trials
        self._end(int(trial.config["number"]))

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **_info: Any) -> None:  # noqa: ANN401
        """Called by Tune when the process of a trial died, or could not be started."""
        del iteration, trials
        number = int(trial.config["number"])
        files = self._folder.files(self._trials[number])
        if files.status() == "unfinished":
            error: object = None
            with suppress(Exception):  # Tune reads it from a file, which may be missing
                error = trial.get_error()
            lines = str(error).strip().splitlines() if error is not None else []
            files.fail(f"its process ended unexpectedly: {' '.join(lines)[:500] or 'the reason is unknown'}")
        self._end(number)

    def _end(self, number: int) -> None:
        trial = self._trials[number]
        files = self._folder.files(trial)
        status = files.status()
        bar = self._bars.pop(number, None)
        if bar is not None:
            self._progress.remove_task(bar)
        self._done += 1
        self._progress.update(self._all, completed=self._done)
        if self._console.is_terminal and status != "failed":
            return
        outcome: str = status
        result = files.result()
        if result is not None and result.verdict is not None:
            winner = result.verdict.winner
            outcome = f"{winner.group} ({winner.decomposition}), validation {winner.validation.mean:.1%}"
        elif status == "stopped":
            visited = max((report.children for report in files.reports()), default=0)
            outcome = f"stopped after {counted(visited, 'child', 'children')}"
        elif status == "failed":
            outcome = f"failed: {files.failure()}"
        self._console.print(
            f"  {self._done}/{len(self._trials)}  {number:03d} {trial.label}: {outcome}",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
