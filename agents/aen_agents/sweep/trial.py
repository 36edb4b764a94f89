"""Runs one trial in a process of its own: a search that sends reports, and ends when the rule stops it."""

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
from aen_agents.runs.folders import FolderInUseError, is_unused
from aen_agents.runs.shared_weights import weights_beside
from aen_agents.runs.trial_files import Report, TrialFiles
from aen_agents.sweep.folder import SweepFolder

LOCK_SECONDS = 30  # to wait for the end of a process of a sweep that was killed
Send = Callable[[JsonDict], None]


class TrialStopped(KeyboardInterrupt):
    """The rule stops this trial. A search handles it like Ctrl-C: it ends in order and can be resumed."""


def run_trial(task: JsonDict) -> None:
    """Run one trial. Tune calls this in the trial's process.

    Args:
        task: ``sweep``, the sweep's folder; ``number`` of the trial; ``cwd``, the working directory for relative paths.
    """
    from ray import tune

    with suppress(OSError):  # it may not exist on another machine of a cluster
        os.chdir(task["cwd"])
    folder = SweepFolder.open(Path(task["sweep"]))
    sweep, trials = folder.load()
    trial = trials[task["number"]]
    files = folder.files(trial)
    try:
        config = trial.config.model_copy(update={"store": folder.store(sweep)})
        # A store that the config names has its weights beside it, where other searches find them, too.
        elsewhere = sweep.store is not None and weights_beside(config.store) is not None
        search_trial(config, files, None if elsewhere else folder.weights, tune.report)
    except TrialStopped:
        pass
    except AenError as error:
        files.fail(str(error))
    except Exception as error:  # noqa: BLE001 - an error in a trial must not end the sweep
        files.fail(f"{type(error).__name__}: {error}", traceback.format_exc())


def search_trial(config: SearchConfig, files: TrialFiles, weights: Path | None, send: Send) -> None:
    """Run or resume the search of a trial in its own run folder.

    Args:
        config: of the search.
        files: of the trial.
        weights: folder of weights, shared by all trials like the store; None: they are beside the store.
        send: is called with every report.

    Raises:
        TrialStopped: the rule stopped the trial; its files are complete and its leases released.
        AenError: the search cannot be run.
    """
    files.failure_file.unlink(missing_ok=True)  # of an earlier try
    run = _open_run(config, files, weights)
    reporter = Reporter(files, send)
    reporter.check()

    from aen_agents.search import Search

    Search(config, reporter).run(run)


def _open_run(config: SearchConfig, files: TrialFiles, weights: Path | None) -> RunFolder:
    """Create or open the run folder, after waiting for any process of a killed sweep that still uses it."""
    if files.path.is_dir() and not is_unused(files.path) and not files.run.config_file.is_file():
        raise RunFolderError(f"{files.path} is not empty and is not a run folder; move it away and restore the sweep.")
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            run = RunFolder.create(config, files.path)
            with run.locked():
                if weights is not None:
                    _share_weights(run, weights)
                return run
        except FolderInUseError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def _share_weights(run: RunFolder, weights: Path) -> None:
    """Let the run's folder of weights be that of all trials."""
    if not run.weights.is_symlink():
        # Weights that the shared store refers to must be found by every trial, or the child would be trained again.
        if any(run.weights.iterdir()):
            raise RunFolderError(f"{run.weights} is not empty; move {run.path} away and restore the sweep.")
        run.weights.rmdir()
        run.weights.symlink_to(os.path.relpath(weights, run.path), target_is_directory=True)


class Reporter:
    """A listener that reports each new child of a trial once, also if the trial is resumed.

    Args:
        files: of the trial.
        send: is called with every report, and returns when the rule has decided.
    """

    def __init__(self, files: TrialFiles, send: Send) -> None:
        self._files = files
        self._send_report = send
        self._reported = max((report.children for report in files.mend_reports()), default=0)
        self._children = 0
        self._best = 0.0
        self._stage = "explore"
        self._total = 0

    def __call__(self, event: Event) -> None:
        """Report an event if it is a new child or a new stage.

        Raises:
            TrialStopped: the rule stops the trial.
        """
        if isinstance(event, StageStarted):
            self._stage, self._total = event.name, event.total
            if self._children:  # before the first child there is nothing to report
                self._send(Report(self._children, self._best))
        elif isinstance(event, Visited):
            if event.first:
                self._child(event.visits, event.best)
        elif isinstance(event, Trained | SliceTrained):
            self._child(self._children + 1, max(self._best, event.accuracy))

    def check(self) -> None:
        """End the trial if the rule stops it."""
        if self._files.stopped_file.is_file():
            raise TrialStopped

    def _child(self, children: int, best: float) -> None:
        self._children, self._best = children, best
        if children <= self._reported:  # a resumed search repeats earlier events
            return
        report = Report(children, best)
        self._files.add_report(report)
        self._reported = children
        self._send(report)
        self.check()

    def _send(self, report: Report) -> None:
        self._send_report(asdict(report) | {"stage": self._stage, "total": self._total})
