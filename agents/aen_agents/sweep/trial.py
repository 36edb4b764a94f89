"""What runs in a process of its own for each trial: a search that reports, and ends when it is asked to."""

import os
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from aen._typing import JsonDict
from aen.errors import AenError, RunFolderError
from aen_agents.config import SearchConfig
from aen_agents.events import Event, SliceTrained, StageStarted, Trained, Visited
from aen_agents.runs.folder import RunFolder
from aen_agents.runs.trial_files import Report, TrialFiles
from aen_agents.sweep.folder import SweepFolder

LOCK_SECONDS = 30  # that a process of a sweep that was killed may take to end
Tell = Callable[[JsonDict], None]


class TrialStopped(KeyboardInterrupt):
    """The rule stops this trial. A search takes it as it takes Ctrl-C: it ends in order and can be taken up."""


def run_trial(task: JsonDict) -> None:
    """Run one trial; Tune calls this in the trial's process.

    Args:
        task: ``sweep``, the sweep's folder; ``number`` of the trial; ``cwd``, the folder that paths are seen from.
    """
    from ray import tune

    with suppress(OSError):  # another machine of a cluster may not have it
        os.chdir(task["cwd"])
    folder = SweepFolder.open(Path(task["sweep"]))
    sweep, trials = folder.load()
    trial = trials[task["number"]]
    files = folder.files(trial)
    try:
        config = trial.config.model_copy(update={"store": folder.store(sweep)})
        search_trial(config, files, folder.weights, tune.report)
    except TrialStopped:
        pass
    except AenError as error:
        files.fail(str(error))
    except Exception as error:  # noqa: BLE001 - a trial that crashes must not end the sweep
        files.fail(f"{type(error).__name__}: {error}", traceback.format_exc())


def search_trial(config: SearchConfig, files: TrialFiles, weights: Path, tell: Tell) -> None:
    """Run the search of a trial in its own run folder, or go on with it.

    Args:
        config: of the search.
        files: of the trial.
        weights: the folder of weights that all trials share, as they share the store.
        tell: is told every report.

    Raises:
        TrialStopped: the sweep's rule stopped the trial, whose files and leases are in order.
        AenError: the search cannot be run.
    """
    files.failure_file.unlink(missing_ok=True)  # it is tried again
    run = _take_up(config, files, weights)
    reporter = Reporter(files, tell)
    reporter.check()

    from aen_agents.search import Search

    Search(config, reporter).run(run)


def _take_up(config: SearchConfig, files: TrialFiles, weights: Path) -> RunFolder:
    """Make the run folder or find it, once no process of a killed sweep is at work in it any more."""
    if files.path.is_dir() and any(files.path.iterdir()) and not files.run.config_file.is_file():
        raise RunFolderError(f"{files.path} is not empty and is no run folder; move it away and restore the sweep.")
    run = RunFolder.create(config, files.path)
    if not run.weights.is_symlink():
        # What the shared store says of a child's weights must hold for every trial, or they would be trained again.
        if any(run.weights.iterdir()):
            raise RunFolderError(f"{run.weights} is not empty; move {files.path} away and restore the sweep.")
        run.weights.rmdir()
        run.weights.symlink_to(os.path.relpath(weights, files.path), target_is_directory=True)
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            with run.locked():
                return run
        except RunFolderError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


class Reporter:
    """A listener that reports each child that is new to the trial, once, however often the trial is taken up.

    Args:
        files: of the trial.
        tell: is told every report, and returns once the rule has decided.
    """

    def __init__(self, files: TrialFiles, tell: Tell) -> None:
        self._files = files
        self._tell = tell
        self._reported = max((report.children for report in files.mend_reports()), default=0)
        self._children = 0
        self._best = 0.0
        self._stage = "explore"
        self._total = 0

    def __call__(self, event: Event) -> None:
        """Report an event if it is a new child or a new stage.

        Raises:
            TrialStopped: the rule has decided.
        """
        if isinstance(event, StageStarted):
            self._stage, self._total = event.name, event.total
            if self._children:  # before the first child there is nothing to say
                self._send(Report(self._children, self._best))
        elif isinstance(event, Visited):
            if event.first:
                self._child(event.visits, event.best)
        elif isinstance(event, Trained | SliceTrained):
            self._child(self._children + 1, max(self._best, event.accuracy))

    def check(self) -> None:
        """End the trial if it is to be stopped."""
        if self._files.stopped_file.is_file():
            raise TrialStopped

    def _child(self, children: int, best: float) -> None:
        self._children, self._best = children, best
        if children <= self._reported:  # a search that goes on tells its story again
            return
        report = Report(children, best)
        self._files.add_report(report)
        self._reported = children
        self._send(report)
        self.check()

    def _send(self, report: Report) -> None:
        self._tell(asdict(report) | {"stage": self._stage, "total": self._total})
