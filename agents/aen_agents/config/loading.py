"""Reads the configuration of a search: a YAML file or a preset, its base, its agent's file, and overrides."""

import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pydantic
import yaml

from aen._typing import JsonDict
from aen.errors import ConfigError
from aen_agents.config.base import Merging, Tag, is_sweep, read_agent, read_config
from aen_agents.config.errors import explain
from aen_agents.config.former_values import with_former_values
from aen_agents.config.presets import find_config
from aen_agents.config.search import ALTERNATIVES, SearchConfig
from aen_agents.config.yaml_file import YAML_ERRORS
from aen_agents.text import command


def load_config(path: str | Path, overrides: Sequence[str] = ()) -> SearchConfig:
    """Read a configuration.

    Args:
        path: a YAML file, or the name of a preset such as ``digits``.
        overrides: ``key=value`` with dotted keys, such as ``training.epochs=10``; values are YAML.

    Raises:
        ConfigError: no such file or preset, not YAML, an unknown key, or a value that does not fit.
    """
    path = find_config(path)
    config = read_config(path, _MERGING)
    content = with_former_values(config.content)
    if is_sweep(content):
        raise ConfigError(
            f"{path} is the config of a sweep, which runs many searches: run it with {command()} sweep "
            f"{shlex.quote(str(path))}, or run the search that it names ({content['search']}, relative to its folder) "
            f"with {command()} search."
        )
    _name_evaluator(content, path.parent)
    for override in sorted(overrides, key=lambda o: not o.startswith("evaluator=")):  # the kind before its settings
        _apply(content, override)
        _name_evaluator(content, path.parent)
    if isinstance(content.get("agent"), str):
        content["agent"] = read_agent(content["agent"], path.parent)
        for override in overrides:
            if override.startswith("agent."):
                _apply(content, override)
    try:
        return SearchConfig.model_validate(content)
    except pydantic.ValidationError as error:
        raise ConfigError(f"{config.where}: {'; '.join(explain(error, SearchConfig, ALTERNATIVES))}") from error


def _name_evaluator(content: JsonDict, _folder: Path) -> None:
    """Let `evaluator: ray` stand for `evaluator: {kind: ray}`."""
    if isinstance(content.get("evaluator"), str):
        content["evaluator"] = {"kind": content["evaluator"]}


_MERGING = Merging(
    "search",
    tags={
        name: Tag(several.key, getattr(SearchConfig.model_fields[name].default, several.key))
        for name, several in ALTERNATIVES.items()
    },
    prepare=_name_evaluator,
)


def _apply(content: JsonDict, override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise ConfigError(f"override {override!r} is not of the form key=value, such as training.epochs=10.")
    try:
        value: Any = yaml.safe_load(text)
    except YAML_ERRORS as error:
        quoted = shlex.quote(f"{key}={json.dumps(text, ensure_ascii=False)}")
        raise ConfigError(
            f"override {override!r}: {text!r} cannot be read as a value. Close its brackets and quotes; if it is meant "
            f"as text, quote it: {quoted}"
        ) from error
    *sections, last = key.split(".")
    if (sections or [last])[0] == "base":
        raise ConfigError(f"override {override!r}: base is a key of a file; give the config to start from itself.")
    place = content
    for section in sections:
        inner = place.get(section)
        if section == "agent" and isinstance(inner, str):
            return  # the name of an agent: load_config reads its file first and then applies this override to it
        if inner is None:
            inner = place[section] = {}
        if not isinstance(inner, dict):
            raise ConfigError(f"override {override!r}: {section!r} is a value, not a section.")
        place = inner
    place[last] = value
