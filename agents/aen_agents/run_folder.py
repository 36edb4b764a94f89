"""The run folder: everything a search leaves behind."""

import json
import os
from contextlib import AbstractContextManager
from dataclasses import fields
from importlib.metadata import version
from pathlib import Path

from aen._typing import JsonDict
from aen.errors import ConfigError, RunFolderError
from aen_agents.config import SearchConfig, load_config
from aen_agents.events import SliceTrained, Trained, Visited
from aen_agents.folders import lock_folder, new_folder

VERSION = 1  # raise it when a file goes or changes its meaning, and say in `check_version` what becomes of older runs

_MEND = "Move it away and run the search again with this --out: nothing is trained again."
_STARTED = {"name", "seed", "selection_seeds", "states", "classes", "provenance", "seconds", "notices"}
_LINE_KEYS = [{field.name for field in fields(event)} for event in (Visited, Trained, SliceTrained)]
_SUMMARY_KEYS = {
    "interrupted": _STARTED,
    "complete": _STARTED | {"winner", "baseline", "winner_minus_baseline", "selection", "states_visited"},
}


class RunFolder:
    """One run's files.

    ``run.json`` (the folder's version), ``config.yaml`` (resolved), ``results.sqlite``, ``history.jsonl`` (every
    visit), ``weights/``, ``agent/`` (checkpoints and the agent), ``tensorboard/``, ``best/`` (the winner's weights and
    spec), ``summary.json``, ``report.html``.

    Args:
        path: the folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.version_file = path / "run.json"
        self.config_file = path / "config.yaml"
        self.store_file = path / "results.sqlite"
        self.history_file = path / "history.jsonl"
        self.weights = path / "weights"
        self.summary_file = path / "summary.json"
        self.report_file = path / "report.html"
        self.best = path / "best"

    @classmethod
    def create(cls, config: SearchConfig, out: Path | None) -> "RunFolder":
        """Make the folder of a run, or take up an unfinished one of the very same config.

        Args:
            config: the search.
            out: the folder; None makes ``runs/<name>-<time>-<id>``.

        Raises:
            RunFolderError: it cannot be written, holds something else, or is of a version that this aen does not know.
        """
        out = out or new_folder(config.name)
        folder = cls(out)
        try:
            out.mkdir(parents=True, exist_ok=True)
            folder._take_up(config)
            for inner in (folder.weights, folder.best, out / "agent", out / "tensorboard"):
                inner.mkdir(exist_ok=True)
        except OSError as error:
            raise RunFolderError(
                f"run folder {out} cannot be written: {error.strerror}; choose another --out."
            ) from error
        return folder

    def _take_up(self, config: SearchConfig) -> None:
        if self.config_file.is_file():
            self.check_version()
            try:
                same = self.config() == config  # a config of an earlier aen lacks what was added since: the defaults
            except ConfigError as error:
                raise RunFolderError(
                    f"run folder {self.path} has a config that this aen {version('aen')} cannot read: {error} Choose "
                    "another --out, or go on with the aen that made it."
                ) from error
            if not same:
                raise RunFolderError(
                    f"run folder {self.path} belongs to a run with another config; choose another --out, or give the "
                    "same config and overrides to go on with that run."
                )
        elif any(self.path.iterdir()):
            raise RunFolderError(f"{self.path} is not empty and is no run folder; choose another --out.")
        else:
            write_atomically(self.config_file, config.to_yaml())
        if not self.version_file.is_file():
            write_atomically(self.version_file, json.dumps({"version": VERSION, "aen": version("aen")}) + "\n")

    def check_version(self) -> None:
        """Check that this aen knows the folder's version. Folders made before there were versions are like version 1.

        Raises:
            RunFolderError: it does not.
        """
        if not self.version_file.is_file():
            return
        try:
            made = json.loads(self.version_file.read_text(encoding="utf-8"))
            number, by = int(made["version"]), str(made["aen"])
        except (ValueError, KeyError, TypeError) as error:
            raise RunFolderError(
                f"{self.version_file} is damaged: {error!r}. If this aen {version('aen')} made the run, remove that "
                "file and go on."
            ) from error
        if number != VERSION:
            raise RunFolderError(
                f"run folder {self.path} is of version {number}, made by aen {by}; this is aen {version('aen')}, which "
                f"knows version {VERSION}. Use that aen for it, or another --out; a store of its own (store=...) may "
                "still serve both."
            )

    @classmethod
    def open(cls, path: Path) -> "RunFolder":
        """Return the folder of an earlier run.

        Raises:
            RunFolderError: it is not a run folder, or one of a version that this aen does not know.
        """
        folder = cls(path)
        if not folder.config_file.is_file():
            why = "it has no config.yaml" if path.is_dir() else "there is no such folder"
            raise RunFolderError(f"{path} is not a run folder: {why}.")
        folder.check_version()
        return folder

    def locked(self) -> AbstractContextManager[None]:
        """Keep every other search out of the folder inside the block; the lock goes with the process, however it ends.

        Raises:
            RunFolderError: another search is running in it.
        """
        return lock_folder(
            self.path, f"another search is running in {self.path}; wait for it, or choose another --out."
        )

    def config(self) -> SearchConfig:
        """Return the run's config."""
        return load_config(self.config_file)

    def summary(self) -> JsonDict | None:
        """Return the summary, or None if the run has none yet.

        Raises:
            RunFolderError: the file is damaged.
        """
        if not self.summary_file.is_file():
            return None
        try:
            summary = json.loads(self.summary_file.read_text(encoding="utf-8"))
        except ValueError as error:
            raise RunFolderError(f"{self.summary_file} is damaged: {error}. {_MEND}") from error
        status = summary.get("status") if isinstance(summary, dict) else None
        wanted = _SUMMARY_KEYS.get(status) if isinstance(status, str) else None
        missing = sorted(wanted - set(summary)) if wanted is not None else ["status"]
        if missing:
            raise RunFolderError(f"{self.summary_file} is damaged: it lacks {missing[0]!r}. {_MEND}")
        result: JsonDict = summary
        return result

    def history(self) -> list[JsonDict]:
        """Return every visit, in order, up to the first line that is torn or damaged."""
        if not self.history_file.is_file():
            return []
        visits = []
        for line in self.history_file.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                visit = json.loads(line)
            except ValueError:
                break
            if not (isinstance(visit, dict) and any(visit.keys() >= keys for keys in _LINE_KEYS)):
                break
            visits.append(visit)
        return visits


def write_atomically(path: Path, text: str) -> None:
    """Write a file so that it appears whole or not at all."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    except OSError as error:
        raise RunFolderError(
            f"{path} cannot be written: {error.strerror}; make room, or choose another --out."
        ) from error
