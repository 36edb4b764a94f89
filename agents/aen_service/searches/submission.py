"""What a client submits, and the config that it stands for."""

import json
import tempfile
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from aen._typing import JsonDict
from aen.data.own.paths import is_own, split_pin
from aen.errors import ConfigError
from aen_agents.config import SearchConfig, load_config
from aen_agents.config.presets import list_presets
from aen_agents.config.yaml_file import dump_yaml
from aen_service.errors import InvalidRequestError

# A client chooses neither where results go, nor which files and addresses are read.
_FORBIDDEN = {
    "store": "the service keeps the results of all searches in one store",
    "cluster": "the service chooses the cluster",
    "base": "name a preset instead",
    "data.path": "upload the images and name them by dataset",
}


class SearchRequest(BaseModel):
    """A search to be run: a preset or a config, with changes."""

    model_config = ConfigDict(extra="forbid")

    preset: str | None = Field(None, max_length=200, description="name of a preset, such as digits")
    config: dict[str, Any] | None = Field(None, description="a whole config, in place of a preset")
    overrides: dict[str, Any] = Field(
        default_factory=dict, description="values by dotted key, such as {'budget.children': 20}"
    )
    dataset: str | None = Field(None, max_length=64, description="identifier of an uploaded data set")
    name: str | None = Field(None, max_length=100, description="name of the search; otherwise the config's")


def config_of(request: SearchRequest, dataset: str | None = None) -> SearchConfig:
    """Return the config that a request stands for; that of the default search if it names a data set alone.

    Args:
        request: what was submitted.
        dataset: `data.path` of the data set that it names.

    Raises:
        InvalidRequestError: it names neither a preset nor a config, or a key that clients may not set.
        ConfigError: as for `load_config`, with the same words.
    """
    if (request.preset is None) == (request.config is None) and (request.preset is not None or dataset is None):
        raise InvalidRequestError("give either preset or config, or a dataset alone.", argument="preset")
    overrides = dict(request.overrides)
    if request.name is not None:
        overrides["name"] = request.name
    _refuse(overrides, "overrides")
    words = [f"{key}={json.dumps(value)}" for key, value in overrides.items()]
    if dataset is not None:
        if request.preset is None and request.config is None:
            return _checked(_default(words, dataset), dataset)
        words.append(f"data.path={json.dumps(dataset)}")
    if request.preset is not None:
        name = request.preset.removesuffix(".yaml")
        known = list_presets()
        try:
            return _checked(load_config(name if name in known else _no_file(request.preset), words), dataset)
        except ConfigError as error:
            if name not in known:
                raise ConfigError(str(error), key="preset") from error
            raise ConfigError(str(error).replace(str(known[name]), f"preset {name}"), key=error.key) from error
    content = request.config or {}
    _refuse(_flat(content), "config")
    with tempfile.TemporaryDirectory() as folder:  # in an empty one relative paths find nothing
        file = Path(folder) / "config.yaml"
        file.write_text(dump_yaml(content), encoding="utf-8")
        try:
            return _checked(load_config(file, words), dataset)
        except ConfigError as error:
            raise ConfigError(str(error).replace(str(file), "config"), key=error.key) from error


def _default(words: list[str], dataset: str) -> SearchConfig:
    """Return the config of the default search of a data set; its name is pinned as it was given."""
    from aen_agents.config.default import default_config  # it imports torch, which takes seconds

    unpinned = [f"data.path={json.dumps(split_pin(dataset)[0])}"]
    config = default_config([*words, *unpinned])[0]
    return config.model_copy(update={"data": config.data.model_copy(update={"name": dataset})})


def _no_file(preset: str) -> str:
    """Return the name of a preset, for the message that there is none; it is never taken for a path."""
    return preset.replace("/", " ") if Path(preset).exists() else preset


def _checked(config: SearchConfig, dataset: str | None) -> SearchConfig:
    """Check what overrides and presets came to."""
    if dataset is None and is_own(config.data.name):
        raise InvalidRequestError(
            f"data.name is {config.data.name!r}, a path; {_FORBIDDEN['data.path']}.", argument="data.name"
        )
    if config.evaluator.kind != "local":
        raise InvalidRequestError(
            f"evaluator.kind is {config.evaluator.kind!r}; the service chooses what trains.", argument="evaluator.kind"
        )
    return config


def _refuse(values: JsonDict, where: str) -> None:
    """Refuse keys that clients may not set, and paths in place of names."""
    for key, value in values.items():
        for forbidden, why in _FORBIDDEN.items():
            if key == forbidden or key.startswith(f"{forbidden}."):
                raise InvalidRequestError(f"{where}: {key} may not be set over HTTP; {why}.", argument=key)
        if key == "agent" and isinstance(value, str) and ("/" in value or value.endswith(".yaml")):
            raise InvalidRequestError(f"{where}: agent is {value[:80]!r}; give the name of an agent.", argument=key)


def _flat(content: JsonDict, prefix: str = "") -> JsonDict:
    """Return the values of a nested config by dotted key."""
    found: JsonDict = {}
    for key, value in content.items():
        name = f"{prefix}{key}"
        found |= _flat(value, f"{name}.") if isinstance(value, dict) and value else {name: value}
    return found
