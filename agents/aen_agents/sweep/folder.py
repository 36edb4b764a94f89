"""The sweep's folder: what was asked for, a run folder for each trial, and what is known of each."""

import json
import shlex
from contextlib import AbstractContextManager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import yaml

from aen._typing import JsonDict
from aen.errors import RunFolderError
from aen.results.search_result import SearchResult
from aen_agents.runs.folder import RunFolder, write_atomically
from aen_agents.runs.folders import LOCK_FILE, CreatedFolder, lock_folder, new_folder
from aen_agents.sweep.config import SweepConfig
from aen_agents.sweep.plan import Trial
from aen_agents.text import command, counted

Status = Literal["complete", "stopped", "failed", "unfinished"]
# Keys of a sweep that decide how it is run, not what: they may change when it goes on.
_HOW = {"concurrent", "cluster", "search", "gpus_per_trial"}


@dataclass(frozen=True)
class Report:
    """What a trial says of itself while it explores.

    Attributes:
        children: first visits so far.
        best_validation_accuracy: of all children that it met so far.
    """

    children: int
    best_validation_accuracy: float


class TrialFiles:
    """One trial's files: a run folder as `aen search` makes it, and what the sweep notes beside.

    ``reports.jsonl`` (every report), ``stopped.json`` (that a rule stopped it), ``failure.json`` (why it failed).
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.run = RunFolder(path)
        self.reports_file = path / "reports.jsonl"
        self.stopped_file = path / "stopped.json"
        self.failure_file = path / "failure.json"

    def result(self) -> SearchResult | None:
        """Return what the search found if it is complete and its summary is sound."""
        try:
            result = self.run.result()
        except RunFolderError:  # the trial runs again then, and trains nothing again
            return None
        return result if result is not None and result.verdict is not None else None

    def summary(self) -> JsonDict | None:
        """Return `result` as JSON values."""
        result = self.result()
        return None if result is None else result.to_json()

    def status(self) -> Status:
        """Say how far the trial is."""
        if self.result() is not None:
            return "complete"
        if self.stopped_file.is_file():
            return "stopped"
        return "failed" if self.failure_file.is_file() else "unfinished"

    def reports(self) -> list[Report]:
        """Return every report, in order, up to the first line that is torn or damaged."""
        if not self.reports_file.is_file():
            return []
        reports = []
        for line in self.reports_file.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                value = json.loads(line)
                reports.append(Report(int(value["children"]), float(value["best_validation_accuracy"])))
            except (ValueError, KeyError, TypeError):
                break
        return reports

    def mend_reports(self) -> list[Report]:
        """Drop what is torn from the reports, so that more can be added, and return the rest."""
        reports = self.reports()
        if self.reports_file.is_file():
            write_atomically(self.reports_file, "".join(_line(report) for report in reports))
        return reports

    def add_report(self, report: Report) -> None:
        """Note a report."""
        with self.reports_file.open("a", encoding="utf-8") as file:
            file.write(_line(report))

    def stop(self, report: Report) -> None:
        """Note that a rule stops the trial after this report."""
        write_atomically(self.stopped_file, json.dumps(asdict(report)) + "\n")

    def fail(self, message: str, traceback: str | None = None) -> None:
        """Note why the trial failed."""
        self.path.mkdir(parents=True, exist_ok=True)
        write_atomically(self.failure_file, json.dumps({"message": message, "traceback": traceback}, indent=2) + "\n")

    def failure(self) -> str:
        """Return why the trial failed, or nothing."""
        with suppress(OSError, ValueError, KeyError, TypeError):
            return str(json.loads(self.failure_file.read_text(encoding="utf-8"))["message"])
        return ""


def _line(report: Report) -> str:
    return json.dumps(asdict(report)) + "\n"


class SweepFolder:
    """One sweep's files.

    ``sweep.yaml``, ``trials.json`` (every trial with its overrides and its whole config), ``results.sqlite`` and
    ``weights/`` (shared by all trials), ``trials/<number>-<name>/``, ``summary.json``, ``report.html``.

    Args:
        path: the folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.sweep_file = path / "sweep.yaml"
        self.trials_file = path / "trials.json"
        self.store_file = path / "results.sqlite"
        self.weights = path / "weights"
        self.trials_folder = path / "trials"
        self.scratch = path / ".tune"
        self.summary_file = path / "summary.json"
        self.report_file = path / "report.html"
        self._made: CreatedFolder | None = None  # by `create`, as long as no trial was handed out

    @classmethod
    def create(cls, sweep: SweepConfig, trials: list[Trial], out: Path | None) -> "SweepFolder":
        """Make the folder of a sweep, or take up that of the very same sweep.

        Args:
            sweep: what was asked for.
            trials: all trials.
            out: the folder; None makes ``runs/<name>-<time>-<id>``.

        Raises:
            RunFolderError: it cannot be written, or holds something else.
        """
        out = out or new_folder(sweep.name)
        folder = cls(out)
        try:
            folder._made = CreatedFolder(out)
            folder._take_up(sweep, trials)
            for inner in (folder.trials_folder, folder.weights):
                inner.mkdir(exist_ok=True)
        except OSError as error:
            folder.discard()
            raise RunFolderError(
                f"sweep folder {out} cannot be written: {error.strerror}; choose another --out."
            ) from error
        return folder

    def _take_up(self, sweep: SweepConfig, trials: list[Trial]) -> None:
        if self.sweep_file.is_file() and self.trials_file.is_file():
            other_sweep, other_trials = self.load()
            same = sweep.model_dump(exclude=_HOW) == other_sweep.model_dump(exclude=_HOW) and trials == other_trials
            if not same:
                raise RunFolderError(
                    f"{self.path} belongs to another sweep ({other_sweep.name}, {counted(len(other_trials), 'trial')}"
                    f"{self._difference(trials, other_trials)}); choose another --out, or go on with that one by "
                    f"{command()} sweep --restore {shlex.quote(str(self.path))}."
                )
        elif {inner.name for inner in self.path.iterdir()} - {self.trials_file.name, LOCK_FILE}:
            raise RunFolderError(f"{self.path} is not empty and is no sweep's folder; choose another --out.")
        write_atomically(self.trials_file, json.dumps([trial.to_json() for trial in trials], indent=1) + "\n")
        write_atomically(self.sweep_file, sweep.to_yaml())  # last: a folder with it is whole

    def begin(self) -> None:
        """Note that trials are handed out: from now on `discard` leaves the folder as it is."""
        self._made = None

    def discard(self) -> bool:
        """Leave no trace of a sweep whose start was refused, if `create` made the folder or found it empty.

        Returns:
            Whether the sweep is gone.
        """
        if self._made is not None:
            files = (self.sweep_file, self.trials_file, self.trials_folder, self.weights)
            store = (f"{self.store_file.name}{end}" for end in ("", "-wal", "-shm"))
            self._made.undo({LOCK_FILE, *store, *(file.name for file in files)})
        return not self.sweep_file.is_file()

    @staticmethod
    def _difference(ours: list[Trial], theirs: list[Trial]) -> str:
        """Say which is the first trial of which both have another, or nothing."""
        for our, their in zip(ours, theirs, strict=False):
            if our != their:
                names = "" if our.label == their.label else f": {our.label} here, {their.label} there"
                return f"; trial {our.number} differs{names}"
        return ""

    @classmethod
    def open(cls, path: Path) -> "SweepFolder":
        """Return the folder of an earlier sweep.

        Raises:
            RunFolderError: it is none.
        """
        folder = cls(path)
        for file in (folder.sweep_file, folder.trials_file):
            if not file.is_file():
                why = f"it has no {file.name}" if path.is_dir() else "there is no such folder"
                raise RunFolderError(f"{path} is not a sweep's folder: {why}.")
        return folder

    def load(self) -> tuple[SweepConfig, list[Trial]]:
        """Return the sweep and its trials as they were written.

        Raises:
            RunFolderError: a file is damaged.
        """
        try:
            sweep = SweepConfig.model_validate(yaml.safe_load(self.sweep_file.read_text(encoding="utf-8")))
        except (OSError, ValueError, yaml.YAMLError) as error:  # pydantic's errors are ValueErrors
            raise RunFolderError(f"{self.sweep_file} is damaged: {' '.join(str(error).split())}") from error
        try:
            rows = json.loads(self.trials_file.read_text(encoding="utf-8"))
            trials = [Trial.from_json(row) for row in rows]
        except (OSError, ValueError, TypeError, RunFolderError) as error:
            raise RunFolderError(f"{self.trials_file} is damaged: {error}") from error
        return sweep, trials

    def store(self, sweep: SweepConfig) -> str:
        """Return where all trials keep their results, the same seen from any folder."""
        if sweep.store is None:
            return str(self.store_file.resolve())
        return sweep.store if "://" in sweep.store else str(Path(sweep.store).resolve())

    def files(self, trial: Trial) -> TrialFiles:
        """Return the files of a trial."""
        return TrialFiles(self.trials_folder / trial.folder_name)

    def locked(self) -> AbstractContextManager[None]:
        """Keep every other driver out of the folder inside the block; the lock goes with the process, however it ends.

        Raises:
            RunFolderError: the sweep is running already.
        """
        return lock_folder(self.path, f"the sweep in {self.path} is running already; wait for it.")
