"""Reads a config and its base: another config that it changes, merged key by key."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aen._text import shortened
from aen._typing import JsonDict
from aen.errors import ConfigError, did_you_mean
from aen_agents.config.agents import AGENTS
from aen_agents.config.presets import Kind, find_config, list_presets
from aen_agents.config.written import show
from aen_agents.config.yaml_file import read_yaml


@dataclass(frozen=True)
class Tag:
    """The key that names which of several models a section is, such as ``kind``, and its value where it is left out."""

    key: str
    default: str


@dataclass(frozen=True)
class Merging:
    """How the configs of a kind are merged with their base.

    Attributes:
        kind: of the configs.
        tags: by section, of those that are one of several models; with another tag the section is replaced whole.
        replaced: sections whose entries are replaced, not merged.
        prepare: called with the content of each file and its folder before they are merged.
    """

    kind: Kind
    tags: Mapping[str, Tag]
    replaced: frozenset[str] = frozenset()
    prepare: Callable[[JsonDict, Path], None] = lambda _content, _folder: None


@dataclass(frozen=True)
class Config:
    """What a file and its base hold together.

    Attributes:
        content: merged; without the key ``base``.
        where: the file, and its base where it has one, for error messages.
    """

    content: JsonDict
    where: str


def read_config(path: Path, merging: Merging) -> Config:
    """Read a config and its base. A base has no base itself.

    Raises:
        ConfigError: a file does not exist, is not YAML, or its base cannot be one.
    """
    own = read_yaml(path)
    if "base" not in own:
        return Config(own, str(path))
    given = own.pop("base")
    if not isinstance(given, str) or not given:
        raise ConfigError(f"{path}: base is {show(given)}; give the path of a YAML file or the name of a preset.")
    try:
        file = find_config(given, merging.kind, path.parent)
        base = read_yaml(file)
    except ConfigError as error:
        raise ConfigError(f"{path}: base is {show(given)}: {error}") from error
    _check_base(path, file, base, merging.kind)
    for content, folder in ((base, file.parent), (own, path.parent)):
        merging.prepare(content, folder)
    if merging.kind == "search" and isinstance(base.get("agent"), str) and not isinstance(own.get("agent"), str):
        try:
            base["agent"] = read_agent(base["agent"], file.parent)  # as the base names it, from its own folder
        except ConfigError as error:
            raise ConfigError(f"{path}: its base {file}: {error}") from error
    if merging.kind == "sweep" and "search" not in own:
        base["search"] = _seen_from(path.parent, base["search"], file.parent)
    return Config(_merge(base, own, merging), f"{path} (with base {file})")


def _check_base(path: Path, file: Path, base: JsonDict, kind: Kind) -> None:
    if file.exists() and path.exists() and file.samefile(path):
        raise ConfigError(f"{path}: base is the file itself; give another one, or leave base out.")
    if "base" in base:
        raise ConfigError(
            f"{path}: its base {file} has a base itself ({shortened(str(base['base']))}); only one level is possible. "
            f"Give a base without one, or copy what {path} needs of {file}."
        )
    if is_sweep(base) != (kind == "sweep"):
        verb = "is" if is_sweep(base) else "is not"
        raise ConfigError(
            f"{path}: its base {file} {verb} the config of a sweep; the base of a {kind} is a {kind} itself."
        )


def is_sweep(content: JsonDict) -> bool:
    """Say whether a file's content is that of a sweep: it has keys that no search has."""
    return "search" in content and bool(content.keys() & {"grid", "random"})


def _seen_from(folder: Path, search: object, other: Path) -> object:
    """Return the path of a sweep's search as seen from a folder, where it is a file seen from another."""
    if isinstance(search, str) and (other / search).is_file():
        return Path(os.path.relpath(other / search, folder)).as_posix()
    return search


def _merge(base: JsonDict, own: JsonDict, merging: Merging) -> JsonDict:
    merged = {**base, **own}
    for key, value in own.items():
        other = base.get(key)
        if isinstance(value, dict) and isinstance(other, dict):
            if key in merging.replaced:
                merged[key] = {**other, **value}
            elif _same_model(other, value, merging.tags.get(key)):
                merged[key] = _deep(other, value)
    return merged


def _same_model(base: JsonDict, own: JsonDict, tag: Tag | None) -> bool:
    if tag is None:
        return True
    inherited = base.get(tag.key, tag.default)
    return bool(own.get(tag.key, inherited) == inherited)


def _deep(base: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    return {**base, **own} | {
        key: _deep(base[key], value)
        for key, value in own.items()
        if isinstance(value, dict) and isinstance(base.get(key), dict)
    }


def read_agent(name: str, folder: Path) -> JsonDict:
    """Read the config of an agent: ``agents/NAME.yaml`` beside a search's config, a preset, or a path.

    An agent of another package, which has no file here, has its defaults.

    Args:
        name: of the agent, or a path.
        folder: of the config that names it.

    Raises:
        ConfigError: there is none, or it cannot be used.
    """
    beside = {file.stem: file for file in (folder / "agents").glob("*.yaml")}
    known = {**list_presets("agent"), **beside}
    file = Path(name)
    try:
        if not (name.endswith(".yaml") and file.is_file()):
            file = known.get(name.removesuffix(".yaml"), file)
        found = file.exists()
    except OSError as error:  # no permission, or the name is too long
        raise ConfigError(f"agent {show(name)} cannot be read: {error.strerror}.") from error
    if found and not file.is_dir():
        return read_config(file, Merging("agent", {})).content
    if name in AGENTS:
        return {AGENTS.key: name}
    if name in AGENTS.broken:
        raise ConfigError(f"agent {show(name)} cannot be used: {AGENTS.broken[name]}")
    near = did_you_mean(name, {**known, **AGENTS})
    raise ConfigError(f"unknown agent {show(name)}{near}; the path of a YAML file works too.", key="agent")
