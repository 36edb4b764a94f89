"""Who watches the trials of a sweep: Tune tells it, and it tells the console."""

from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from ray.tune.progress_reporter import TrialProgressCallback
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from aen_agents.sweep.folder import SweepFolder
from aen_agents.sweep.plan import Trial
from aen_agents.text import counted

_NAME = 40  # cells for a trial's name
_STAGES = {"explore": "exploring", "select": "selecting", "compare": "comparing", "test": "testing"}


class Watch(TrialProgressCallback):
    """Shows all trials on a console, and notes those whose process died.

    Tune leaves out its own TrialProgressCallback where it is given one. Its own prints a line about a trial that ended
    without a report, however quiet it was told to be.

    Args:
        console: a terminal gets bars, a log a line for each trial that ends.
        folder: of the sweep.
        trials: all of them.
        done: how many have ended before.
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
        """Leave nothing to be pickled: Tune keeps a copy of who watches, which nobody reads."""
        return {}

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **_info: Any) -> None:  # noqa: ANN401
        """A trial begins."""
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
        """A trial has met another child, or begins another stage."""
        del iteration, trials
        bar = self._bars.get(int(trial.config["number"]))
        if bar is not None and "children" in result:
            stage = _STAGES.get(result["stage"], result["stage"])
            total = result["total"] if result["stage"] == "explore" else result["children"]
            note = f"{stage}, best {result['best_validation_accuracy']:.1%}"
            self._progress.update(bar, completed=result["children"], total=total, note=note)

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **_info: Any) -> None:  # noqa: ANN401
        """A trial ended by itself: complete, stopped by the rule, or failed with a message."""
        del iteration, trials
        self._end(int(trial.config["number"]))

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **_info: Any) -> None:  # noqa: ANN401
        """A trial's process died, or Tune itself could not run it."""
        del iteration, trials
        number = int(trial.config["number"])
        files = self._folder.files(self._trials[number])
        if files.status() == "unfinished":
            said: object = None
            with suppress(Exception):  # Tune's own record, which need not be there
                said = trial.get_error()
            lines = str(said).strip().splitlines() if said is not None else []
            files.fail(f"its process ended before it did: {' '.join(lines)[:500] or 'no reason is known'}")
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
        said: str = status
        result = files.result()
        if result is not None and result.verdict is not None:
            winner = result.verdict.winner
            said = f"{winner.group} ({winner.decomposition}), validation {winner.validation.mean:.1%}"
        elif status == "stopped":
            visited = max((report.children for report in files.reports()), default=0)
            said = f"stopped after {counted(visited, 'child', 'children')}"
        elif status == "failed":
            said = f"failed: {files.failure()}"
        self._console.print(
            f"  {self._done}/{len(self._trials)}  {number:03d} {trial.label}: {said}",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
