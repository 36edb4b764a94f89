"""Files of a sweep's trial: the run folder of its search and what the sweep records beside it."""

import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from aen._files import make_folder
from aen._reading import MALFORMED, MAX_HISTORY, MAX_SMALL, parse_json, read_json, read_text
from aen._secrets import hide_secrets
from aen._typing import JsonDict
from aen.errors import RunFolderError
from aen.results.search_result import SearchResult
from aen_agents.errors import file_error
from aen_agents.runs.files import append_line, write_file
from aen_agents.runs.folder import RunFolder

Status = Literal["complete", "stopped", "failed", "unfinished"]


@dataclass(frozen=True)
class Report:
    """The progress of a trial while it explores.

    Attributes:
        children: number of children visited.
        best_validation_accuracy: of the children visited.
    """

    children: int
    best_validation_accuracy: float


class TrialFiles:
    """The files of a trial: a run folder as `aen search` creates it, and files of the sweep.

    The latter are ``reports.jsonl`` (every report), ``stopped.json`` (a rule stopped the trial) and ``failure.json``
    (it failed).
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.run = RunFolder(path)
        self.reports_file = path / "reports.jsonl"
        self.stopped_file = path / "stopped.json"
        self.failure_file = path / "failure.json"

    def result(self) -> SearchResult | None:
        """Return the search's result if it is complete and its summary is not damaged."""
        try:
            result = self.run.result()
        except RunFolderError:  # the trial is then run again, without training anything again
            return None
        return result if result is not None and result.verdict is not None else None

    def summary(self) -> JsonDict | None:
        """Return `result` as JSON values."""
        result = self.result()
        return None if result is None else result.to_json()

    def status(self) -> Status:
        """Return the status of the trial."""
        if self.result() is not None:
            return "complete"
        if self.stopped_file.is_file():
            return "stopped"
        return "failed" if self.failure_file.is_file() else "unfinished"

    def reports(self) -> list[Report]:
        """Return all reports, in order, up to the first line that is incomplete or damaged."""
        if not self.reports_file.exists():
            return []
        try:
            text = read_text(self.reports_file, MAX_HISTORY, errors="replace")
        except (OSError, ValueError) as error:
            raise file_error(self.reports_file, error, "Move it away and restore the sweep.") from error
        reports = []
        for line in text.splitlines():
            try:
                value = parse_json(line)
                reports.append(Report(int(value["children"]), float(value["best_validation_accuracy"])))
            except MALFORMED:
                break
        return reports

    def mend_reports(self) -> list[Report]:
        """Remove incomplete lines from the file, so that reports can be added, and return the others."""
        reports = self.reports()
        if self.reports_file.is_file():
            write_file(self.reports_file, "".join(f"{_line(report)}\n" for report in reports))
        return reports

    def add_report(self, report: Report) -> None:
        """Add a report."""
        append_line(self.reports_file, _line(report))

    def stop(self, report: Report) -> None:
        """Record that a rule stops the trial after this report."""
        write_file(self.stopped_file, json.dumps(asdict(report)) + "\n")

    def fail(self, message: str, traceback: str | None = None) -> None:
        """Record why the trial failed."""
        make_folder(self.path)
        failure = {"message": hide_secrets(message), "traceback": traceback and hide_secrets(traceback)}
        write_file(self.failure_file, json.dumps(failure, indent=2) + "\n")

    def failure(self) -> str:
        """Return why the trial failed, or an empty string."""
        with suppress(OSError, *MALFORMED):
            return str(read_json(self.failure_file, MAX_SMALL)["message"])
        return ""


def _line(report: Report) -> str:
    return json.dumps(asdict(report))
