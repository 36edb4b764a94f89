"""The run folder: everything a search leaves behind."""

import json
import os
import secrets
import time
from pathlib import Path

from aen._typing import JsonDict
from aen.errors import RunFolderError
from aen_agents.config import SearchConfig, load_config


class RunFolder:
    """One run's files.

    ``config.yaml`` (resolved), ``results.sqlite``, ``history.jsonl`` (every visit), ``weights/``, ``agent/``,
    ``tensorboard/``, ``best/`` (the winner's weights and spec), ``summary.json``, ``report.html``.

    Args:
        path: the folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
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
            RunFolderError: it cannot be written, or holds something else.
        """
        if out is None:
            stamp = time.strftime("%Y%m%d-%H%M%S")
            out = Path("runs") / f"{config.name}-{stamp}-{secrets.token_hex(3)}"
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
            if self.config_file.read_text(encoding="utf-8") != config.to_yaml():
                raise RunFolderError(
                    f"run folder {self.path} belongs to a run with another config; choose another --out, or give the "
                    "same config and overrides to go on with that run."
                )
        elif any(self.path.iterdir()):
            raise RunFolderError(f"{self.path} is not empty and is no run folder; choose another --out.")
        else:
            write_atomically(self.config_file, config.to_yaml())

    @classmethod
    def open(cls, path: Path) -> "RunFolder":
        """Return the folder of an earlier run.

        Raises:
            RunFolderError: it is not a run folder.
        """
        folder = cls(path)
        if not folder.config_file.is_file():
            raise RunFolderError(f"{path} is not a run folder: it has no config.yaml.")
        return folder

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
            summary: JsonDict = json.loads(self.summary_file.read_text(encoding="utf-8"))
        except ValueError as error:
            raise RunFolderError(f"{self.summary_file} is damaged: {error}") from error
        return summary

    def history(self) -> list[JsonDict]:
        """Return every visit, in order; a last line torn by a crash is left out."""
        if not self.history_file.is_file():
            return []
        visits = []
        for line in self.history_file.read_text(encoding="utf-8").splitlines():
            try:
                visits.append(json.loads(line))
            except ValueError:
                break
        return visits


def write_atomically(path: Path, text: str) -> None:
    """Write a file so that it appears whole or not at all."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)
