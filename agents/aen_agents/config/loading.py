"""Reads the configuration of a search: a YAML file or a preset, its base, its agent's file, and overrides."""

import shlex
from collections.abc import Sequence
from pathlib import Path

import pydantic

from aen._secrets import remember_address
from aen._typing import JsonDict
from aen.data.own.paths import is_own, own_path, placed
from aen.errors import ConfigError
from aen_agents.config.base import Merging, Tag, is_sweep, read_agent, read_config
from aen_agents.config.errors import explain
from aen_agents.config.former_values import with_former_values
from aen_agents.config.overrides import Override, apply_override, parse_overrides
from aen_agents.config.presets import find_config
from aen_agents.config.search import ALTERNATIVES, SearchConfig
from aen_agents.text import command


def load_config(path: str | Path, overrides: Sequence[str] = ()) -> SearchConfig:
    """Read a configuration.

    Args:
        path: a YAML file, or the name of a preset such as ``digits``.
        overrides: ``key=value`` with dotted keys, such as ``training.epochs=10``; values are YAML.

    Raises:
        ConfigError: no such file or preset, not YAML, an unknown key, a key that is given twice, or a value that does
            not fit.
    """
    path = find_config(path)
    given = parse_overrides(overrides)
    config = read_config(path, _MERGING)
    content = with_former_values(config.content)
    if is_sweep(content):
        raise ConfigError(
            f"{path} is the config of a sweep, which runs many searches: run it with {command()} sweep "
            f"{shlex.quote(str(path))}, or run the search that it names ({content['search']}, relative to its folder) "
            f"with {command()} search."
        )
    _name_evaluator(content, path.parent)
    _replace_data(content, given)
    return complete_config(content, given, path.parent, config.where)


def complete_config(content: JsonDict, given: Sequence[Override], folder: Path, where: str) -> SearchConfig:
    """Return the config of a file's content and overrides.

    Args:
        content: of the file; it is changed.
        given: the overrides.
        folder: where relative paths of the content begin.
        where: names the config in messages.

    Raises:
        ConfigError: an unknown key, or a value that does not fit.
    """
    for override in sorted(given, key=lambda o: o.key != "evaluator"):  # the kind before its settings
        apply_override(content, override)
        _name_evaluator(content, folder)
    if isinstance(content.get("agent"), str):
        content["agent"] = read_agent(content["agent"], folder)
        for override in given:
            if override.key.startswith("agent."):
                apply_override(content, override)
    if isinstance(content.get("store"), str):
        remember_address(content["store"])
    try:
        return SearchConfig.model_validate(content)
    except pydantic.ValidationError as error:
        found = explain(error, SearchConfig, ALTERNATIVES)
        raise ConfigError(f"{where}: {'; '.join(found.values())}", key=next(iter(found)) or None) from error


def _replace_data(content: JsonDict, given: Sequence[Override]) -> None:
    """Let `data.path=PATH` replace the section `data`: what it says, such as moves, is of another data set."""
    paths = [override.value for override in given if override.key == "data.path"]
    data = content.get("data")
    if paths and isinstance(data, dict):
        named = [data[key] for key in ("path", "name") if isinstance(data.get(key), str)]
        if not any(is_own(name) and placed(name) == own_path(str(paths[0])) for name in named):
            content["data"] = {}


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
