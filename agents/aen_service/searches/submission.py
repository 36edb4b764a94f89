"""What a client submits, and the config that it stands for."""

import json
import os
import re
import tempfile
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from aen._typing import JsonDict
from aen.data.own.paths import is_own, split_pin
from aen.data.registry import find_source, is_known
from aen.errors import ConfigError, did_you_mean
from aen_agents.config import SearchConfig, load_config
from aen_agents.config.agents import AGENTS
from aen_agents.config.evaluators import ClusterConfig
from aen_agents.config.presets import list_presets
from aen_agents.config.yaml_file import dump_yaml
from aen_service.errors import InvalidRequestError

_KEY = re.compile(r"[A-Za-z_][\w.-]{0,199}")
_LONGEST_NAME = 100
_MOST_VALUES = 20_000  # of a config
_MOST_FACTORS = 64  # of an alphabet
_LONGEST_FACTOR = 500
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

    @property
    def is_default(self) -> bool:
        """Whether it names a data set alone, whose images say what the search is."""
        return self.dataset is not None and self.preset is None and self.config is None

    def over(self, overrides: JsonDict) -> "SearchRequest":
        """Return the request with overrides of its data set, which its own ones come before."""
        return self.model_copy(update={"overrides": overrides | self.overrides})


def config_of(request: SearchRequest, dataset: str | None = None) -> SearchConfig:
    """Return the config that a request stands for; that of the default search if it names a data set alone.

    That one needs torch and reads the images: it belongs into a helper.

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
    _check_keys(overrides)
    _refuse(overrides, "overrides")
    words = [f"{key}={_as_yaml(value)}" for key, value in overrides.items()]
    if dataset is not None:
        if request.preset is None and request.config is None:
            return _checked(_default(words, dataset), dataset)
        words.append(f"data.path={_as_yaml(dataset)}")
    if request.preset is not None:
        name = request.preset.removesuffix(".yaml")
        known = list_presets()
        if name not in known:  # it is never taken for a path, unlike on the command line
            raise InvalidRequestError(
                f"there is no preset {request.preset[:100]!r}{did_you_mean(name, known)}.", argument="preset"
            )
        try:
            return _checked(load_config(name, words), dataset)
        except ConfigError as error:
            raise ConfigError(str(error).replace(str(known[name]), f"preset {name}"), key=error.key) from error
    content = request.config or {}
    values = _flat(content)
    if (number := sum(_size(value) for value in values.values())) > _MOST_VALUES:
        raise InvalidRequestError(f"the config has {number:,} values; at most {_MOST_VALUES:,} are read.")
    _refuse(values, "config")
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

    unpinned = [f"data.path={_as_yaml(split_pin(dataset)[0])}"]
    config = default_config([*words, *unpinned])[0]
    return config.model_copy(update={"data": config.data.model_copy(update={"name": dataset})})


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
    if config.store is not None or config.cluster != ClusterConfig():
        raise InvalidRequestError("store and cluster may not be set over HTTP.", argument="store")
    if len(config.name) > _LONGEST_NAME:
        raise InvalidRequestError(
            f"name has {len(config.name):,} characters; give at most {_LONGEST_NAME}.", argument="name"
        )
    cores = os.cpu_count() or 1
    for key in ("workers", "threads"):
        number = getattr(config.evaluator, key)
        if number is not None and number > cores:
            raise InvalidRequestError(
                f"evaluator.{key} is {number:,}, above the {cores} cores of this service.", argument=f"evaluator.{key}"
            )
    alphabet = config.alphabet
    factors = (alphabet,) if isinstance(alphabet, str) else alphabet
    if len(factors) > _MOST_FACTORS or max(map(len, factors), default=0) > _LONGEST_FACTOR:
        raise InvalidRequestError(
            f"alphabet has {len(factors):,} factors; give at most {_MOST_FACTORS}, each of at most {_LONGEST_FACTOR} "
            "characters.",
            argument="alphabet",
        )
    if dataset is None and not is_known(config.data.name):
        find_source(config.data.name)  # says what could have been meant
    return config


def _refuse(values: JsonDict, where: str) -> None:
    """Refuse keys that clients may not set, and paths in place of names."""
    for key, value in values.items():
        for forbidden, why in _FORBIDDEN.items():
            if key == forbidden or key.startswith(f"{forbidden}."):
                raise InvalidRequestError(f"{where}: {key} may not be set over HTTP; {why}.", argument=key)
        if key == "agent" and isinstance(value, str) and value not in (known := {*list_presets("agent"), *AGENTS}):
            raise InvalidRequestError(
                f"{where}: agent is {value[:80]!r}, which is no agent{did_you_mean(value, known)}.", argument=key
            )


def _check_keys(overrides: JsonDict) -> None:
    """Check that keys are keys: ``key=value`` is read as on the command line, and they could have a value in them."""
    for key in overrides:
        if not _KEY.fullmatch(key):
            raise InvalidRequestError(
                f"overrides: the key {key[:80]!r} is none; give dotted names such as budget.children.",
                argument="overrides",
            )


def _size(value: object) -> int:
    """Return how many values a value consists of."""
    if isinstance(value, dict):
        return sum(_size(inner) for inner in value.values())
    return sum(_size(inner) for inner in value) if isinstance(value, list) else 1


def _flat(content: JsonDict, prefix: str = "") -> JsonDict:
    """Return the values of a nested config by dotted key."""
    found: JsonDict = {}
    for key, value in content.items():
        name = f"{prefix}{key}"
        found |= _flat(value, f"{name}.") if isinstance(value, dict) and value else {name: value}
    return found


def _as_yaml(value: object) -> str:
    """Return a JSON value as YAML, which has other escapes than JSON for characters such as emoji."""
    text = json.dumps(value, ensure_ascii=False)
    return "".join(char if char.isprintable() else rf"\U{ord(char):08x}" for char in text)
