"""The folder of a comparison: ``runs.jsonl`` (a line a run), ``results.csv``, ``summary.json`` and the pictures."""

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from aen._files import append_durably, make_folder, write_atomically
from aen._reading import MAX_RESULTS, read_json, read_text
from aen._typing import JsonDict
from aen.errors import RunFolderError
from aen_agents.compare.lines import Expected, read_line, write_line
from aen_agents.errors import file_error
from aen_agents.runs.folders import is_unused, lock_folder, new_folder, remove_parts
from aen_agents.text import counted

VERSION = 1


class CompareFolder:
    """The files of a comparison.

    Args:
        path: the folder; None: ``runs/compare-<time>-<id>``.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = new_folder("compare") if path is None else path
        self.runs_file = self.path / "runs.jsonl"
        self.results_file = self.path / "results.csv"
        self.summary_file = self.path / "summary.json"
        self.page_file = self.path / "compare.html"
        self.svg_file = self.path / "compare.svg"
        self.png_file = self.path / "compare.png"

    def create(self) -> None:
        """Make the folder, unless it is that of a comparison already.

        Raises:
            RunFolderError: it cannot be written, or holds other files.
        """
        try:
            make_folder(self.path)
            if not self.runs_file.exists():
                if not is_unused(self.path):
                    raise RunFolderError(
                        f"{self.path} is not empty and not a comparison's folder; choose another --out."
                    )
                append_durably(self.runs_file, "")
        except OSError as error:
            raise RunFolderError(
                f"--out is {self.path}, which cannot be written: {error.strerror}; choose a folder you can write to."
            ) from error

    def locked(self) -> AbstractContextManager[None]:
        """Lock the folder against other comparisons inside the block."""
        return lock_folder(
            self.path, f"another comparison is running in {self.path}; wait until it ends, or choose another --out."
        )

    def read_runs(self, expected: Mapping[str, Expected], tell: Callable[[str], None]) -> dict[str, JsonDict]:
        """Return the runs by their keys. Lines that are damaged, such as one cut short by a kill, are removed.

        Args:
            expected: what the runs of the comparison must say, by key.
            tell: called once if lines are damaged.

        Raises:
            RunFolderError: the file cannot be read.
        """
        remove_parts(self.path)
        try:
            text = read_text(self.runs_file, 10 * MAX_RESULTS, errors="replace")
        except (OSError, ValueError) as error:
            raise file_error(self.runs_file, error, "Choose another --out.") from error
        found: dict[str, JsonDict] = {}
        good: list[str] = []
        damaged: list[str] = []
        for number, line in enumerate(text.splitlines(), 1):
            try:
                run = read_line(line, expected)
            except ValueError as error:
                damaged.append(f"line {number}: {error}")
            else:
                found[run["key"]] = run
                good.append(f"{line}\n")
        if damaged:
            more = f", and {counted(len(damaged) - 1, 'more line')}" if len(damaged) > 1 else ""
            tell(
                f"{self.runs_file} is damaged ({damaged[0]}{more}); these lines are removed, and their runs made again"
            )
        if damaged or (text and not text.endswith("\n")):
            self.write(self.runs_file, "".join(good))
        return found

    def add_runs(self, lines: Sequence[JsonDict]) -> None:
        """Append runs; once this returns they survive a power failure.

        Raises:
            RunFolderError: they cannot be written.
        """
        try:
            append_durably(self.runs_file, "".join(map(write_line, lines)))
        except OSError as error:
            raise RunFolderError(
                f"{self.runs_file} cannot be written: {error.strerror}; make room and run the command again."
            ) from error

    def write_results(self, rows: Sequence[JsonDict]) -> None:
        """Write ``results.csv``."""
        text = io.StringIO()
        writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        self.write(self.results_file, text.getvalue())

    def write_summary(self, summary: JsonDict) -> None:
        """Write ``summary.json``."""
        self.write(self.summary_file, json.dumps(summary, indent=1, allow_nan=False) + "\n")

    def write(self, file: Path, content: str | bytes) -> None:
        """Write a file that appears complete or not at all.

        Raises:
            RunFolderError: it cannot be written.
        """
        try:
            write_atomically(file, content, durable=True)
        except OSError as error:
            raise RunFolderError(
                f"{file} cannot be written: {error.strerror}; make room and run the command again."
            ) from error

    def read_summary(self) -> JsonDict:
        """Return the content of ``summary.json``.

        Raises:
            RunFolderError: it is missing, damaged or of another version.
        """
        try:
            summary: JsonDict = read_json(self.summary_file, MAX_RESULTS)
            version = summary["version"]
        except FileNotFoundError as error:
            raise RunFolderError(
                f"{self.path} has no summary.json; it is not the folder of a finished comparison (aen compare)."
            ) from error
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise file_error(self.summary_file, error, "Run the comparison again in this folder.") from error
        if version != VERSION:
            raise RunFolderError(f"{self.summary_file} has version {version}, not {VERSION}; run the comparison again.")
        return summary
