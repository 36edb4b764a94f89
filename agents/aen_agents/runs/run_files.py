"""The files of a run as they are read: what each is, whether it is damaged, and of which run it is."""

from dataclasses import fields
from importlib.metadata import version
from pathlib import Path

from aen._files import is_blank
from aen._reading import MALFORMED, MAX_HISTORY, MAX_RESULTS, MAX_SMALL, parse_json, read_json, read_text, unsealed
from aen._typing import JsonDict
from aen.errors import RunFolderError
from aen.results.search_result import SearchResult
from aen.symmetry import SymmetryTest
from aen_agents.config import SearchConfig, load_config
from aen_agents.errors import file_error
from aen_agents.events import SliceTrained, Trained, Visited
from aen_agents.runs.folders import VERSION_FILE

MEND = "Move it away and resume the run: nothing is trained again."
_STARTED = {"name", "seed", "selection_seeds", "states", "classes", "provenance", "seconds", "notices"}
_LINE_KEYS = [{field.name for field in fields(event)} for event in (Visited, Trained, SliceTrained)]
_SUMMARY_KEYS = {
    "interrupted": _STARTED,
    "complete": _STARTED | {"winner", "baseline", "winner_minus_baseline", "selection", "states_visited"},
}


class RunFiles:
    """The files of a run, to be read; see `aen_agents.runs.folder.RunFolder`.

    Args:
        path: the folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.version_file = path / VERSION_FILE
        self.config_file = path / "config.yaml"
        self.store_file = path / "results.sqlite"
        self.history_file = path / "history.jsonl"
        self.weights = path / "weights"
        self.summary_file = path / "summary.json"
        self.symmetry_test_file = path / "symmetry_test.json"
        self.report_file = path / "report.html"
        self.best = path / "best"

    @property
    def run_id(self) -> str | None:
        """The identifier of the run, which copies of its folder share; None in runs of earlier versions.

        Raises:
            RunFolderError: ``run.json`` is damaged.
        """
        found = self.head().get("id")
        return None if found is None else str(found)

    def owns(self, run_id: object) -> bool:
        """Return whether a file that names a run is of this one, or it is not known of which it is."""
        return run_id is None or self.run_id in {None, run_id}

    def config(self) -> SearchConfig:
        """Return the run's config."""
        return load_config(self.config_file)

    def summary(self) -> JsonDict | None:
        """Return the summary as JSON values, or None if the run has none yet; `result` returns it typed.

        Raises:
            RunFolderError: the file is damaged or may not be read.
        """
        summary = self._sealed(self.summary_file)
        if summary is None:
            return None
        status = summary.get("status")
        wanted = _SUMMARY_KEYS.get(status) if isinstance(status, str) else None
        missing = sorted(wanted - set(summary)) if wanted is not None else ["status"]
        if missing:
            raise RunFolderError(f"{self.summary_file} is damaged: it lacks {missing[0]}. {MEND}")
        return summary

    def result(self) -> SearchResult | None:
        """Return what the search found as its summary says, or None if the run has no summary yet.

        Raises:
            RunFolderError: the file is damaged.
        """
        summary = self.summary()
        try:
            return None if summary is None else SearchResult.from_json(summary)
        except MALFORMED as error:
            raise file_error(self.summary_file, error, MEND) from error

    def symmetry_test(self) -> SymmetryTest | None:
        """Return the test of the training images, or None if the run has none yet.

        Raises:
            RunFolderError: the file is damaged or may not be read.
        """
        content = self._sealed(self.symmetry_test_file)
        try:
            return None if content is None else SymmetryTest.from_json(content)
        except MALFORMED as error:
            raise file_error(self.symmetry_test_file, error, MEND) from error

    def _sealed(self, file: Path) -> JsonDict | None:
        """Return the content of a file that has a checksum and names its run; None: it is missing or blank."""
        try:
            if is_blank(file):
                return None
            content = dict(unsealed(read_json(file, MAX_RESULTS)))
        except FileNotFoundError:
            return None
        except (OSError, *MALFORMED) as error:
            raise file_error(file, error, MEND) from error
        if not self.owns(content.pop("run_id", None)):
            raise RunFolderError(f"{file} belongs to another run. {MEND}")
        return content

    def history(self) -> list[JsonDict]:
        """Return every visit, in order, up to the first incomplete or damaged line.

        Raises:
            RunFolderError: the file may not be read.
        """
        try:
            text = read_text(self.history_file, MAX_HISTORY, errors="replace")
        except FileNotFoundError:
            return []
        except (OSError, ValueError) as error:
            raise file_error(self.history_file, error, MEND) from error
        visits = []
        for line in text.splitlines():
            try:
                visit = parse_json(line)
            except ValueError:
                break
            if not (isinstance(visit, dict) and any(visit.keys() >= keys for keys in _LINE_KEYS)):
                break
            visits.append(visit)
        return visits

    def count(self) -> int:
        """Return the number of results in the run's own store."""
        from aen.results.store import ResultStore

        if not self.store_file.exists():
            return 0
        with ResultStore(self.store_file, create=False) as store:
            return store.count()

    def head(self) -> JsonDict:
        """Return the content of ``run.json``; empty if the folder is so old that it has none, or the file is blank."""
        try:
            if is_blank(self.version_file):
                return {}
            head = read_json(self.version_file, MAX_SMALL)
            head = dict(head) | {"version": int(head["version"]), "aen": str(head["aen"])}
            return head | ({"config": dict(head["config"])} if "config" in head else {})
        except FileNotFoundError:
            return {}
        except (OSError, *MALFORMED) as error:
            remedy = f"If this aen {version('aen')} created the run, remove that file and resume."
            raise file_error(self.version_file, error, remedy) from error
