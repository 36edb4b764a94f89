"""The folder of a sweep: its config, its trials, and a run folder for each trial."""

import json
import shlex
from contextlib import AbstractContextManager, suppress
from pathlib import Path

import yaml

from aen._files import is_blank, sync_folder
from aen._reading import MALFORMED, MAX_RESULTS, MAX_SMALL, read_json, read_text
from aen._secrets import remember_address
from aen.errors import RunFolderError
from aen_agents.config.yaml_file import parse_yaml
from aen_agents.errors import UnreadableError
from aen_agents.runs.files import write_file
from aen_agents.runs.folders import (
    LOCK_FILE,
    SWEEP_FILE,
    TRIALS_FOLDER,
    CreatedFolder,
    is_leftover,
    lock_folder,
    new_folder,
    remove_parts,
)
from aen_agents.runs.trial_files import TrialFiles
from aen_agents.sweep.config import SweepConfig
from aen_agents.sweep.plan import Trial
from aen_agents.text import command, counted

# Keys that may change when a sweep is restored: they do not change its results.
_CHANGEABLE = {"concurrent", "cluster", "search", "gpus_per_trial"}


class SweepFolder:
    """The files of a sweep.

    ``sweep.yaml``, ``trials.json`` (every trial with its overrides and its whole config), ``results.sqlite`` and
    ``weights/`` (shared by all trials), ``trials/<number>-<name>/``, ``summary.json``, ``report.html``; and, of
    exhaustive searches, ``table.csv``.

    Args:
        path: the folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.sweep_file = path / SWEEP_FILE
        self.trials_file = path / "trials.json"
        self.store_file = path / "results.sqlite"
        self.weights = path / "weights"
        self.trials_folder = path / TRIALS_FOLDER
        self.scratch = path / ".tune"
        self.summary_file = path / "summary.json"
        self.report_file = path / "report.html"
        self.table_file = path / "table.csv"
        self._made: CreatedFolder | None = None  # by `create`, until the first trial is started

    @classmethod
    def create(cls, sweep: SweepConfig, trials: list[Trial], out: Path | None) -> "SweepFolder":
        """Create the folder of a sweep, or reuse that of the same sweep.

        Args:
            sweep: the config.
            trials: all trials.
            out: the folder; None creates ``runs/<name>-<time>-<id>``.

        Raises:
            RunFolderError: the folder cannot be written, or has other contents.
        """
        out = out or new_folder(sweep.name)
        folder = cls(out)
        try:
            folder._made = CreatedFolder(out)
            folder._check(sweep, trials)
            with folder.locked():  # of sweeps that start at the same time, one writes and the others check
                folder._check(sweep, trials)
                folder._write(sweep, trials)
                for inner in (folder.trials_folder, folder.weights):
                    inner.mkdir(exist_ok=True)
                sync_folder(out)
        except OSError as error:
            with suppress(OSError):
                folder.discard()
            raise RunFolderError(
                f"sweep folder {out} cannot be written: {error.strerror}; choose another --out."
            ) from error
        return folder

    def _check(self, sweep: SweepConfig, trials: list[Trial]) -> None:
        # First: the files of a new sweep come after that of its trials.
        others = [inner for inner in self.path.iterdir() if not self._of_cut_start(inner)]
        if all(_is_file(file) and not is_blank(file) for file in (self.sweep_file, self.trials_file)):
            other_sweep, other_trials = self.load()
            same = (
                sweep.model_dump(exclude=_CHANGEABLE) == other_sweep.model_dump(exclude=_CHANGEABLE)
                and trials == other_trials
            )
            if not same:
                raise RunFolderError(
                    f"{self.path} belongs to another sweep ({other_sweep.name}, {counted(len(other_trials), 'trial')}"
                    f"{self._difference(trials, other_trials)}); choose another --out, or resume that one with "
                    f"{command()} sweep --restore {shlex.quote(str(self.path))}."
                )
        elif others:
            raise RunFolderError(f"{self.path} is not empty and is not a sweep's folder; choose another --out.")

    def _write(self, sweep: SweepConfig, trials: list[Trial]) -> None:
        remove_parts(self.path)
        if sweep.store is not None:
            remember_address(sweep.store)
        write_file(self.trials_file, json.dumps([trial.to_json() for trial in trials], indent=1) + "\n")
        write_file(self.sweep_file, sweep.to_yaml())  # last: a folder that has this file is complete

    def _of_cut_start(self, inner: Path) -> bool:
        """Return whether a file or folder holds only what a start of the sweep that was cut short may have left."""
        if inner.is_dir():
            return inner in (self.trials_folder, self.weights) and not any(inner.iterdir())
        return is_leftover(inner) or inner == self.trials_file or (inner == self.sweep_file and is_blank(inner))

    def begin(self) -> None:
        """Record that trials have been started: from now on `discard` leaves the folder as it is."""
        self._made = None

    def discard(self) -> bool:
        """Undo `create` after a start that failed, if it created the folder or found it empty.

        Returns:
            Whether the sweep has been removed.
        """
        if self._made is not None:
            files = (self.sweep_file, self.trials_file, self.trials_folder, self.weights)
            store = (f"{self.store_file.name}{end}" for end in ("", "-wal", "-shm"))
            self._made.undo({LOCK_FILE, *store, *(file.name for file in files)})
        return not self.sweep_file.is_file()

    @staticmethod
    def _difference(ours: list[Trial], theirs: list[Trial]) -> str:
        """Return a text about the first trial that differs, or an empty string."""
        for our, their in zip(ours, theirs, strict=False):
            if our != their:
                names = "" if our.label == their.label else f": {our.label} here, {their.label} there"
                return f"; trial {our.number} differs{names}"
        return ""

    @classmethod
    def open(cls, path: Path) -> "SweepFolder":
        """Open the folder of an earlier sweep.

        Raises:
            RunFolderError: it is not the folder of a sweep, or may not be read.
        """
        folder = cls(path)
        for file in (folder.sweep_file, folder.trials_file):
            if not _is_file(file):
                why = f"it has no {file.name}" if path.is_dir() else "there is no such folder"
                raise RunFolderError(f"{path} is not a sweep's folder: {why}.")
        return folder

    def load(self) -> tuple[SweepConfig, list[Trial]]:
        """Load the sweep and its trials.

        Raises:
            RunFolderError: a file is damaged or may not be read.
        """
        try:
            sweep = SweepConfig.model_validate(parse_yaml(read_text(self.sweep_file, MAX_SMALL)))
        except OSError as error:
            raise UnreadableError.of(self.sweep_file, error) from error
        except (ValueError, yaml.YAMLError) as error:  # pydantic's errors are ValueErrors
            raise RunFolderError(f"{self.sweep_file} is damaged: {' '.join(str(error).split())}") from error
        try:
            rows = read_json(self.trials_file, MAX_RESULTS)
            trials = [Trial.from_json(row) for row in rows]
        except OSError as error:
            raise UnreadableError.of(self.trials_file, error) from error
        except (*MALFORMED, RunFolderError) as error:
            raise RunFolderError(f"{self.trials_file} is damaged: {error}") from error
        return sweep, trials

    def store(self, sweep: SweepConfig) -> str:
        """Return the store of all trials, as an absolute path or a URL."""
        if sweep.store is None:
            return str(self.store_file.resolve())
        remember_address(sweep.store)
        return sweep.store if "://" in sweep.store else str(Path(sweep.store).resolve())

    def files(self, trial: Trial) -> TrialFiles:
        """Return the files of a trial."""
        return TrialFiles(self.trials_folder / trial.folder_name)

    def locked(self) -> AbstractContextManager[None]:
        """Lock the folder against other processes inside the block. The lock ends with the process, however it ends.

        Raises:
            RunFolderError: the sweep is running already.
        """
        return lock_folder(self.path, f"the sweep in {self.path} is running already; wait for it.")


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError as error:
        raise UnreadableError.of(path, error) from error
