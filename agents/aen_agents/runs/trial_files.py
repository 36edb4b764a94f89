"""Files of a sweep's trial: the run folder of its search and what the sweep records beside it."""

import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from aen._typing import JsonDict
from aen.errors import RunFolderError
from aen_agents.runs.folder import RunFolder, write_atomically

Status = Literal["complete", "stopped", "failed", "unfinished"]


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

    def summary(self) -> JsonDict | None:
        """Return the search's summary if it is complete and sound."""
        try:
            summary = self.run.summary()
        except RunFolderError:  # the trial runs again then, and trains nothing again
            return None
        return summary if summary is not None and summary["status"] == "complete" else None

    def status(self) -> Status:
        """Say how far the trial is."""
        if self.summary() is not None:
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
