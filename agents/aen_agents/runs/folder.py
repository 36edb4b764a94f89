"""The run folder: all files of a run, and the checks before it is created, resumed or opened."""

import json
import secrets
import shlex
from contextlib import AbstractContextManager, suppress
from dataclasses import fields
from importlib.metadata import version
from pathlib import Path

from aen import _files
from aen._reading import MALFORMED, MAX_HISTORY, MAX_RESULTS, MAX_SMALL, parse_json, read_json, read_text, unsealed
from aen._typing import JsonDict
from aen.errors import RunFolderError, StoreError
from aen.results.search_result import SearchResult
from aen.symmetry import SymmetryTest
from aen_agents.config import SearchConfig, load_config
from aen_agents.config.changes import keep_choices
from aen_agents.errors import file_error
from aen_agents.events import SliceTrained, Trained, Visited
from aen_agents.runs.folder_hints import why_not_a_run
from aen_agents.runs.folders import LOCK_FILE, CreatedFolder, OtherVersionError, lock_folder, new_folder
from aen_agents.runs.resume_check import check_config, started_config
from aen_agents.text import command

VERSION = 1  # raise it when a file is removed or changes its meaning; handle older runs in `check_version`

# Of the children of runs that were made before ``run.json`` recorded it.
UNRECORDED_KEY_VERSION = "child-4"

_MEND = "Move it away and resume the run: nothing is trained again."
_FOLDERS = ("agent", "best", "tensorboard", "weights")  # subfolders of every run
_STARTED = {"name", "seed", "selection_seeds", "states", "classes", "provenance", "seconds", "notices"}
_LINE_KEYS = [{field.name for field in fields(event)} for event in (Visited, Trained, SliceTrained)]
_SUMMARY_KEYS = {
    "interrupted": _STARTED,
    "complete": _STARTED | {"winner", "baseline", "winner_minus_baseline", "selection", "states_visited"},
}


class RunFolder:
    """The files of a run.

    ``run.json`` (the folder's version, and the config that the run was started with), ``config.yaml`` (resolved),
    ``results.sqlite``, ``history.jsonl`` (every visit), ``weights/``, ``agent/`` (checkpoints and the agent),
    ``tensorboard/``, ``best/`` (the winner's weights and spec), ``symmetry_test.json``, ``summary.json``,
    ``report.html``.

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
        self.symmetry_test_file = path / "symmetry_test.json"
        self.report_file = path / "report.html"
        self.best = path / "best"
        self._made: CreatedFolder | None = None

    @classmethod
    def create(cls, config: SearchConfig, out: Path | None) -> "RunFolder":
        """Create the folder of a run, or reuse an existing one; see `check` for the configs that are then allowed.

        Args:
            config: the search.
            out: the folder; None: ``runs/<name>-<time>-<id>``.

        Raises:
            RunFolderError: it cannot be written, holds other files, or has a version that this aen does not support.
        """
        out = out or new_folder(config.name)
        folder = cls(out)
        try:
            folder._made = CreatedFolder(out)
            folder._initialise(config)
            for inner in _FOLDERS:
                (out / inner).mkdir(exist_ok=True)
        except OSError as error:
            raise RunFolderError(
                f"run folder {out} cannot be written: {error.strerror}; choose a folder that you can write to."
            ) from error
        return folder

    def _initialise(self, config: SearchConfig) -> None:
        self.check(config)
        if not self.config_file.is_file():
            if any(self.path.iterdir()):
                raise RunFolderError(f"{self.path} is not empty and not a run folder; choose another --out.")
            write_atomically(self.config_file, config.to_yaml())
        head = self._head()
        if "config" not in head:
            head = (
                {"version": VERSION, "aen": version("aen"), "id": secrets.token_hex(8)}
                | head
                | {"config": started_config(self.config())}
            )
            write_atomically(self.version_file, json.dumps(head) + "\n")

    def holds_run(self) -> bool:
        """Return whether the folder is that of a run.

        Raises:
            RunFolderError: the folder may not be read.
        """
        try:
            return self.config_file.is_file()
        except OSError as error:
            raise file_error(self.config_file, error, _MEND) from error

    def check(self, config: SearchConfig) -> None:
        """Check that the run in the folder, if there is one, can be resumed with a config.

        Args:
            config: the run's own config, except for keys on which no result depends; see `aen_agents.config.changes`.

        Raises:
            RunFolderError: it may not be read, cannot be resumed with it, or has a version that this aen does not
                support.
        """
        if self.holds_run():
            self.check_version(
                "Use that version of aen, or choose another --out; a separate store can still be shared."
            )
            check_config(self.path, self._head().get("config"), config)

    def check_key_version(self, key_version: str) -> None:
        """Check that the run's children were trained as this aen trains them; a new run notes how that is.

        Args:
            key_version: of the baseline's child; see `aen.children.ChildSpec.key_version`.

        Raises:
            RunFolderError: they were not, so that old and new results cannot be compared.
        """
        head = self._head()
        fresh = not self.history_file.is_file() and not self.store_file.is_file()
        recorded = head.get("key_version", key_version if fresh else UNRECORDED_KEY_VERSION)
        if recorded != key_version:
            raise RunFolderError(
                f"run folder {self.path} has children of key version {recorded}, made by aen "
                f"{head.get('aen', 'unknown')}; this aen {version('aen')} trains such children differently (key "
                f"version {key_version}, docs/store.md), so the run cannot be resumed. Use that aen for it, or start "
                f"another run: {command()} search {shlex.quote(str(self.config_file))} --out ANOTHER."
            )
        if "key_version" not in head:
            write_atomically(self.version_file, json.dumps(head | {"key_version": key_version}) + "\n")

    def record(self, config: SearchConfig) -> None:
        """Write the run's config again, with the choices that it left to aen; see `aen_agents.config.AUTO`.

        Raises:
            RunFolderError: it cannot be written.
        """
        if keep_choices(config, self.config()) != self.config():
            write_atomically(self.config_file, keep_choices(config, self.config()).to_yaml())
            head = self._head() | {"config": started_config(self.config())}
            write_atomically(self.version_file, json.dumps(head) + "\n")

    def discard(self) -> None:
        """Remove the files of a search that was refused at its start, if `create` made the folder or found it empty.

        A folder with results or a history is left as it is.
        """
        if self._made is None:
            return
        store = (f"{self.store_file.name}{end}" for end in ("", "-wal", "-shm"))
        others = (self.path / name for name in ("log.jsonl", "status.json"))
        files = (self.version_file, self.config_file, self.symmetry_test_file, *others)
        known = {*_FOLDERS, *store, *(file.name for file in files), LOCK_FILE}  # neither a summary nor a history
        with suppress(RunFolderError, StoreError, OSError), self.locked():
            filled = (self.weights, self.best, self.path / "agent")
            if not any(any(folder.iterdir()) for folder in filled) and not self._count():
                self._made.undo(known)

    def _count(self) -> int:
        """Return the number of results in the run's own store."""
        from aen.results.store import ResultStore

        if not self.store_file.exists():
            return 0
        with ResultStore(self.store_file, create=False) as store:
            return store.count()

    def _head(self) -> JsonDict:
        """Return the content of ``run.json``; empty if the folder is so old that it has none."""
        try:
            head = read_json(self.version_file, MAX_SMALL)
            head = dict(head) | {"version": int(head["version"]), "aen": str(head["aen"])}
            return head | ({"config": dict(head["config"])} if "config" in head else {})
        except FileNotFoundError:
            return {}
        except (OSError, *MALFORMED) as error:
            remedy = f"If this aen {version('aen')} created the run, remove that file and resume."
            raise file_error(self.version_file, error, remedy) from error

    def check_version(self, remedy: str = "Use that version of aen.") -> None:
        """Check that this aen supports the folder's version. Folders without a version count as version 1.

        Args:
            remedy: what the user can do otherwise; the end of the message.

        Raises:
            OtherVersionError: the version is not supported.
            RunFolderError: ``run.json`` is damaged.
        """
        head = self._head()
        number = head.get("version", VERSION)
        if number != VERSION:
            raise OtherVersionError(
                f"run folder {self.path} has version {number}, created by aen {head['aen']}; this is aen "
                f"{version('aen')}, which supports version {VERSION}. {remedy}",
                number,
            )

    @classmethod
    def open(cls, path: Path) -> "RunFolder":
        """Return the folder of an existing run.

        Raises:
            RunFolderError: it is not a run folder, may not be read, or has a version that this aen does not support.
        """
        folder = cls(path)
        if not folder.holds_run():
            raise RunFolderError(why_not_a_run(path))
        folder.check_version()
        return folder

    @property
    def run_id(self) -> str | None:
        """The identifier of the run, which copies of its folder share; None in runs of earlier versions.

        Raises:
            RunFolderError: ``run.json`` is damaged.
        """
        found = self._head().get("id")
        return None if found is None else str(found)

    def owns(self, run_id: object) -> bool:
        """Return whether a file that names a run is of this one, or it is not known of which it is."""
        return run_id is None or self.run_id in {None, run_id}

    def locked(self) -> AbstractContextManager[None]:
        """Lock the folder against other searches inside the block; the end of the process also releases the lock.

        Raises:
            RunFolderError: another search is running in the folder.
        """
        return lock_folder(
            self.path, f"another search is running in {self.path}; wait until it ends, or stop it first."
        )

    def config(self) -> SearchConfig:
        """Return the run's config."""
        return load_config(self.config_file)

    def summary(self) -> JsonDict | None:
        """Return the summary as JSON values, or None if the run has none yet; `result` returns it typed.

        Raises:
            RunFolderError: the file is damaged or may not be read.
        """
        try:
            summary = unsealed(read_json(self.summary_file, MAX_RESULTS))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise file_error(self.summary_file, error, _MEND) from error
        status = summary.get("status") if isinstance(summary, dict) else None
        wanted = _SUMMARY_KEYS.get(status) if isinstance(status, str) else None
        if isinstance(summary, dict) and not self.owns(summary.pop("run_id", None)):
            raise RunFolderError(f"{self.summary_file} belongs to another run. {_MEND}")
        missing = sorted(wanted - set(summary)) if wanted is not None else ["status"]
        if missing:
            raise RunFolderError(f"{self.summary_file} is damaged: it lacks {missing[0]}. {_MEND}")
        result: JsonDict = summary
        return result

    def result(self) -> SearchResult | None:
        """Return what the search found as its summary says, or None if the run has no summary yet.

        Raises:
            RunFolderError: the file is damaged.
        """
        summary = self.summary()
        try:
            return None if summary is None else SearchResult.from_json(summary)
        except MALFORMED as error:
            raise file_error(self.summary_file, error, _MEND) from error

    def symmetry_test(self) -> SymmetryTest | None:
        """Return the test of the training images, or None if the run has none yet.

        Raises:
            RunFolderError: the file is damaged or may not be read.
        """
        try:
            return SymmetryTest.from_json(unsealed(read_json(self.symmetry_test_file, MAX_RESULTS)))
        except FileNotFoundError:
            return None
        except (OSError, *MALFORMED) as error:
            raise file_error(self.symmetry_test_file, error, _MEND) from error

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
            raise file_error(self.history_file, error, _MEND) from error
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


def write_atomically(path: Path, text: str) -> None:
    """Write a text file of a run; it appears complete or not at all.

    Raises:
        RunFolderError: it cannot be written; an existing file stays as it was.
    """
    try:
        _files.write_atomically(path, text, durable=False)
    except OSError as error:
        raise RunFolderError(
            f"{path} cannot be written: {error.strerror}; make room, or make its folder writable."
        ) from error
