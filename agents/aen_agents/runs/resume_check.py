"""Checks that a run can be resumed with a config: the results must be those of the config it was started with."""

import shlex
from importlib.metadata import version
from pathlib import Path

import pydantic

from aen._files import is_blank
from aen._typing import JsonDict
from aen.errors import ConfigError, RunFolderError
from aen_agents.config import SearchConfig, load_config
from aen_agents.config.changes import changeable_keys_text, describe_changes, result_changes
from aen_agents.config.former_values import with_former_values
from aen_agents.errors import what_is_wrong
from aen_agents.text import command


def started_config(config: SearchConfig) -> JsonDict:
    """Return the values of a config that ``run.json`` keeps, to detect later edits of ``config.yaml``.

    The store is left out: a database may move, and ``config.yaml`` is then edited on purpose.
    """
    return config.model_dump(mode="json", exclude={"store"})


def check_config(path: Path, started: JsonDict | None, given: SearchConfig) -> None:
    """Check that a run can be resumed with a config.

    Args:
        path: the run folder, with a ``config.yaml``.
        started: what `started_config` returned when the run was started; None: earlier versions did not keep it.
        given: the config to resume with.

    Raises:
        RunFolderError: the config, or an edit of ``config.yaml``, would change the results.
    """
    try:
        # A blank file has lost nothing but the store. One of an earlier version lacks newer keys: defaults.
        blank = is_blank(path / "config.yaml")
        written = (
            restored_config(path, started, given.store)
            if started is not None and blank
            else load_config(path / "config.yaml")
        )
    except ConfigError as error:
        raise RunFolderError(
            f"run folder {path} has a config that this aen {version('aen')} cannot read: {error} Choose another --out, "
            "or resume with the aen that created it."
        ) from error
    if started is not None:
        _check_unedited(path, started, written)
    differences = result_changes(written, given)
    if not differences:
        return
    message = (
        f"run folder {path} belongs to a run with another config: {describe_changes(differences, 'here', 'there')}. "
    )
    if differences.keys() == {"store"}:
        message += f"If the database was moved, change store in {path / 'config.yaml'}; otherwise leave store out here."
    else:
        message += (
            f"A resumed run may change only {changeable_keys_text(written)}, since results depend on all others; "
            "leave these as they are, or choose another --out to start a new run."
        )
    raise RunFolderError(message)


def restored_config(path: Path, started: JsonDict, store: str | None) -> SearchConfig:
    """Return the config that a run was started with.

    Args:
        path: the run folder.
        started: what `started_config` returned then.
        store: the store, which is not in it.

    Raises:
        RunFolderError: ``run.json`` is damaged.
    """
    try:
        return SearchConfig.model_validate(with_former_values(started) | {"store": store})
    except pydantic.ValidationError as error:
        raise RunFolderError(
            f"{path / 'run.json'} is damaged: {what_is_wrong(error)}. If {path / 'config.yaml'} was not edited since "
            "the run was started, remove run.json and resume."
        ) from error


def blank_config(path: Path, started: JsonDict | None) -> SearchConfig:
    """Return the config of a run whose ``config.yaml`` is blank.

    Args:
        path: the run folder.
        started: what `started_config` returned when the run was started, if that is all of it; or None.

    Raises:
        RunFolderError: it is not known, or ``run.json`` is damaged.
    """
    if started is None:
        raise RunFolderError(
            f"{path / 'config.yaml'} is blank, as a power failure may leave it; resume with the config of the run: "
            f"{command()} search CONFIG --out {shlex.quote(str(path))}."
        )
    return restored_config(path, started, None)


def _check_unedited(path: Path, started: JsonDict, written: SearchConfig) -> None:
    edited = result_changes(restored_config(path, started, written.store), written)
    if edited:
        raise RunFolderError(
            f"{path / 'config.yaml'} was edited: {describe_changes(edited, 'now', 'when the run was started')}. Its "
            "results so far belong to the original values; restore them to resume, or start a run with the new ones: "
            f"{command()} search CONFIG --out ANOTHER."
        )
