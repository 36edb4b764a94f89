"""Whether a run may go on with a config: its results must stay those of the config that it was started with."""

from importlib.metadata import version
from pathlib import Path

import pydantic

from aen._typing import JsonDict
from aen.errors import ConfigError, RunFolderError
from aen_agents.config import SearchConfig, load_config
from aen_agents.config.changes import decisive, offered, say
from aen_agents.errors import what_is_wrong
from aen_agents.text import command


def as_started(config: SearchConfig) -> JsonDict:
    """Return what ``run.json`` keeps of a config, to tell later whether ``config.yaml`` was edited since.

    The store is left out: a database may move, and `config.yaml` is where to say so.
    """
    return config.model_dump(mode="json", exclude={"store"})


def check_config(path: Path, started: JsonDict | None, given: SearchConfig) -> None:
    """Check that a run can go on with a config.

    Args:
        path: the run folder, with a ``config.yaml``.
        started: what `as_started` returned when the run was started; None: an earlier aen did not keep it.
        given: with which it is to go on.

    Raises:
        RunFolderError: that would change its results, or its ``config.yaml`` was edited so that it would.
    """
    try:
        written = load_config(path / "config.yaml")  # that of an earlier aen lacks what was added since: the defaults
    except ConfigError as error:
        raise RunFolderError(
            f"run folder {path} has a config that this aen {version('aen')} cannot read: {error} Choose another --out, "
            "or go on with the aen that made it."
        ) from error
    if started is not None:
        _check_unedited(path, started, written)
    differences = decisive(written, given)
    if not differences:
        return
    message = f"run folder {path} belongs to a run with another config: {say(differences, 'here', 'there')}. "
    if differences.keys() == {"store"}:
        message += f"If its results have moved, say so in {path / 'config.yaml'}; otherwise leave store as it is."
    else:
        message += (
            f"When a run goes on, only {offered(written)} may change, for results depend on the rest; leave "
            "that as it is, or choose another --out to begin another run."
        )
    raise RunFolderError(message)


def _check_unedited(path: Path, started: JsonDict, written: SearchConfig) -> None:
    try:
        before = SearchConfig.model_validate(started | {"store": written.store})
    except pydantic.ValidationError as error:
        raise RunFolderError(
            f"{path / 'run.json'} is damaged: {what_is_wrong(error)}. If {path / 'config.yaml'} is as it was when the "
            "run was started, remove that file and go on."
        ) from error
    edited = decisive(before, written)
    if edited:
        raise RunFolderError(
            f"{path / 'config.yaml'} was edited: {say(edited, 'now', 'when the run was started')}. Its results so far "
            f"are of the config as it was; write that back to go on with the run, or begin another with the new one: "
            f"{command()} search CONFIG --out ANOTHER."
        )
