"""The run folder: all files of a run, and the checks before it is created, resumed or opened."""

import json
import os
import secrets
import shlex
from contextlib import AbstractContextManager, suppress
from importlib.metadata import version
from pathlib import Path

from aen._files import is_blank, permits, sync_folder
from aen._reading import MALFORMED, MAX_SMALL, read_json
from aen._typing import JsonDict
from aen.data.own.paths import split_pin
from aen.errors import RunFolderError, StoreError
from aen_agents.config import SearchConfig
from aen_agents.config.changes import keep_choices
from aen_agents.errors import file_error
from aen_agents.runs.files import write_file
from aen_agents.runs.folder_hints import why_not_a_run
from aen_agents.runs.folders import (
    LOCK_FILE,
    CreatedFolder,
    OtherVersionError,
    is_unused,
    lock_folder,
    new_folder,
    remove_parts,
)
from aen_agents.runs.resume_check import blank_config, check_config, started_config
from aen_agents.runs.run_files import MEND, RunFiles
from aen_agents.runs.shared_weights import weights_beside
from aen_agents.text import command

VERSION = 1  # raise it when a file is removed or changes its meaning; handle older runs in `check_version`

# Of the children of runs that were made before ``run.json`` recorded it.
UNRECORDED_KEY_VERSION = "child-4"

_FOLDERS = ("agent", "best", "tensorboard", "weights")  # subfolders of every run


class RunFolder(RunFiles):
    """The files of a run.

    ``run.json`` (the folder's version, and the config that the run was started with), ``config.yaml`` (resolved),
    ``results.sqlite``, ``history.jsonl`` (every visit), ``weights/`` (or beside a shared store, see `weights_for`),
    ``agent/`` (checkpoints and the agent), ``tensorboard/``, ``best/`` (the winner's weights and spec),
    ``symmetry_test.json``, ``summary.json``, ``report.html``.

    Args:
        path: the folder.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
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
            folder.check(config)
            folder._check_contents()
            if folder._is_initialised() and not permits(out, os.W_OK):
                return folder  # a complete run can still be shown
            with folder.locked():  # of searches that start at the same time, one writes and the others check
                folder.initialise(config)
        except OSError as error:
            raise RunFolderError(
                f"run folder {out} cannot be written: {error.strerror}; choose a folder that you can write to."
            ) from error
        return folder

    def initialise(self, config: SearchConfig) -> None:
        """Write what a run starts with, unless it is there. The folder is locked.

        Raises:
            RunFolderError: the run in the folder is another one.
        """
        self.check(config)
        self._check_contents()
        if not self.config_file.is_file() or is_blank(self.config_file):
            write_file(self.config_file, config.to_yaml())
        head = self.head()
        if "config" not in head:
            known: JsonDict = {"version": VERSION, "aen": version("aen")}
            # Of a blank file the key version is not known, nor the identifier, which other files may have.
            known |= {"restored": True} if is_blank(self.version_file) else {"id": secrets.token_hex(8)}
            head = known | head | {"config": started_config(self.config())}
            write_file(self.version_file, json.dumps(head) + "\n")
        remove_parts(self.path)
        for inner in _FOLDERS:
            (self.path / inner).mkdir(exist_ok=True)
            if not (self.path / inner).is_symlink():  # it may be shared with other searches
                remove_parts(self.path / inner)
        sync_folder(self.path)

    def _is_initialised(self) -> bool:
        written = self.config_file.is_file() and not is_blank(self.config_file) and "config" in self.head()
        return written and all((self.path / inner).is_dir() for inner in _FOLDERS)

    def _check_contents(self) -> None:
        unused = is_unused(self.path)  # before the look for the config, which is the first file of a new run
        if not unused and not self.config_file.is_file():
            raise RunFolderError(f"{self.path} is not empty and not a run folder; choose another --out.")

    def weights_for(self, store: str | None) -> Path:
        """Return the folder of weights of a search with this store: beside it if it is a file that searches share.

        A folder that is a link was shared on purpose, as a sweep does for its trials.

        Args:
            store: as in the config; None: that of the run.
        """
        shared = None if self.weights.is_symlink() else weights_beside(store)
        return self.weights if shared is None else shared

    def holds_run(self) -> bool:
        """Return whether the folder is that of a run.

        Raises:
            RunFolderError: the folder may not be read.
        """
        try:
            return self.config_file.is_file()
        except OSError as error:
            raise file_error(self.config_file, error, MEND) from error

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
            started = self.head().get("config")
            if started is not None or not is_blank(self.config_file):
                check_config(self.path, started, config)
            elif self.history() or self.count():
                raise RunFolderError(
                    f"{self.config_file} and {self.version_file} are blank, so that it is not known which config the "
                    f"results in {self.path} belong to; choose another --out, where store={self.store_file} keeps them."
                )

    def restore_config(self) -> None:
        """Write a blank ``config.yaml`` again, from what ``run.json`` has; other files are left as they are.

        Raises:
            RunFolderError: ``run.json`` does not have it, or the run's store is not in the folder and so not known.
        """
        if is_blank(self.config_file):
            started = self.head().get("config") if self.store_file.is_file() else None
            write_file(self.config_file, blank_config(self.path, started).to_yaml())

    def check_key_version(self, key_version: str) -> None:
        """Check that the run's children were trained as this aen trains them; a new run notes how that is.

        Args:
            key_version: of the baseline's child; see `aen.children.ChildSpec.key_version`.

        Raises:
            RunFolderError: they were not, so that old and new results cannot be compared.
        """
        head = self.head()
        fresh = head.get("restored") or not (self.history_file.is_file() or self.store_file.is_file())
        recorded = head.get("key_version", key_version if fresh else UNRECORDED_KEY_VERSION)
        if recorded != key_version:
            raise RunFolderError(
                f"run folder {self.path} has children of key version {recorded}, made by aen "
                f"{head.get('aen', 'unknown')}; this aen {version('aen')} trains such children differently (key "
                f"version {key_version}, docs/store.md), so the run cannot be resumed. Use that aen for it, or start "
                f"another run: {command()} search {shlex.quote(str(self.config_file))} --out ANOTHER."
            )
        if "key_version" not in head:
            write_file(self.version_file, json.dumps(head | {"key_version": key_version}) + "\n")

    def check_data(self, name: str) -> None:
        """Check that the data of the run has the content that it had when the run was started.

        Args:
            name: of the data set, pinned to its content where it is own data.

        Raises:
            RunFolderError: it has another one, so that old and new results cannot be compared.
        """
        recorded, (path, pin) = self._data_pin(), split_pin(name)
        if None not in (recorded, pin) and recorded != pin:
            raise RunFolderError(
                f"the data {path} has changed since the run in {self.path} was started: the checksum of its content "
                f"was {recorded} and is {pin} now. Put the earlier content back, or start another run: {command()} "
                f"search {shlex.quote(str(self.config_file))} --out ANOTHER."
            )

    def note_data(self, name: str) -> None:
        """Note the content of the data that a run starts with; see `check_data`."""
        pin = split_pin(name)[1]
        if pin is not None and self._data_pin() is None:
            write_file(self.version_file, json.dumps(self.head() | {"data_pin": pin}) + "\n")

    def _data_pin(self) -> str | None:
        """Return the pin of the run's data; None: not known, as in new runs and of data that has none."""
        found = self.head().get("data_pin")
        if found is None:  # of an earlier version
            with suppress(OSError, *MALFORMED):
                found = split_pin(read_json(self.best / "spec.json", MAX_SMALL)["data"]["name"])[1]
        return None if found is None else str(found)

    def has_key_version(self, key_version: str) -> bool:
        """Return whether the run's children were trained as those with this key version are."""
        return bool(self.head().get("key_version", UNRECORDED_KEY_VERSION) == key_version)

    def record(self, config: SearchConfig) -> None:
        """Write the run's config again, with the choices that it left to aen; see `aen_agents.config.AUTO`.

        Raises:
            RunFolderError: it cannot be written.
        """
        if keep_choices(config, self.config()) != self.config():
            write_file(self.config_file, keep_choices(config, self.config()).to_yaml())
            head = self.head() | {"config": started_config(self.config())}
            write_file(self.version_file, json.dumps(head) + "\n")

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
            if not any(any(folder.iterdir()) for folder in filled) and not self.count():
                self._made.undo(known)

    def check_version(self, remedy: str = "Use that version of aen.") -> None:
        """Check that this aen supports the folder's version. Folders without a version count as version 1.

        Args:
            remedy: what the user can do otherwise; the end of the message.

        Raises:
            OtherVersionError: the version is not supported.
            RunFolderError: ``run.json`` is damaged.
        """
        head = self.head()
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

    def locked(self) -> AbstractContextManager[None]:
        """Lock the folder against other searches inside the block; the end of the process also releases the lock.

        Raises:
            RunFolderError: another search is running in the folder.
        """
        return lock_folder(
            self.path, f"another search is running in {self.path}; wait until it ends, or stop it first."
        )
