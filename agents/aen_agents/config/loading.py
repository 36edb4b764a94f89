"""Reads the configuration of a search: a YAML file, its agent's file, and overrides."""

import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pydantic
import yaml

from aen._typing import JsonDict
from aen.errors import ConfigError, did_you_mean
from aen_agents.config.errors import explain
from aen_agents.config.search import ALTERNATIVES, SearchConfig
from aen_agents.errors import what_is_wrong
from aen_agents.text import command

# PyYAML's own errors, and what it lets through: a date like 2026-13-01, brackets in brackets without end.
_NO_YAML = (yaml.YAMLError, ValueError, RecursionError)
PROJECT_CONFIGS = Path(__file__).resolve().parents[3] / "configs"


def load_config(path: Path, overrides: Sequence[str] = ()) -> SearchConfig:
    """Read a configuration.

    Args:
        path: a YAML file.
        overrides: ``key=value`` with dotted keys, such as ``training.epochs=10``; values are YAML.

    Raises:
        ConfigError: no such file, not YAML, an unknown key, or a value that does not fit.
    """
    content = read_yaml(path)
    if "search" in content and content.keys() & {"grid", "random"}:  # keys that no search has
        raise ConfigError(
            f"{path} is the config of a sweep, which is many searches: run it with {command()} sweep "
            f"{shlex.quote(str(path))}, or the search that it names ({content['search']}, seen from its folder) with "
            f"{command()} search."
        )
    _name_evaluator(content)
    for override in sorted(overrides, key=lambda o: not o.startswith("evaluator=")):  # which one, before its settings
        _apply(content, override)
        _name_evaluator(content)
    if isinstance(content.get("agent"), str):
        content["agent"] = read_yaml(_find_agent(content["agent"], path.parent))
        for override in overrides:
            if override.startswith("agent."):
                _apply(content, override)
    try:
        return SearchConfig.model_validate(content)
    except pydantic.ValidationError as error:
        raise ConfigError(f"{path}: {'; '.join(explain(error, SearchConfig, ALTERNATIVES))}") from error


def _name_evaluator(content: JsonDict) -> None:
    """Let `evaluator: ray` stand for `evaluator: {kind: ray}`."""
    if isinstance(content.get("evaluator"), str):
        content["evaluator"] = {"kind": content["evaluator"]}


def read_yaml(path: Path) -> JsonDict:
    """Return the mapping that a YAML file holds.

    Raises:
        ConfigError: no such file, not YAML, or no mapping.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        near = did_you_mean(path.name, [p.name for p in path.parent.glob("*.yaml")]) if path.parent.is_dir() else ""
        raise ConfigError(f"config {path} does not exist{near}.") from error
    except IsADirectoryError as error:
        raise ConfigError(f"config {path} is a folder; give a YAML file.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"config {path} cannot be used: {what_is_wrong(error)}.") from error
    except _NO_YAML as error:
        raise ConfigError(f"config {path} is not YAML{_where(error)}.") from error
    if not isinstance(content, dict):
        raise ConfigError(f"config {path} is not a mapping of keys to values.")
    return content


def _where(error: Exception) -> str:
    """Return what is wrong with YAML, and where, as far as that is known."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        said = " ".join((error.problem or "").split())
        if "stream end" in said or "end of stream" in said:
            said = "it ends before a bracket or a quote is closed"
        return f": line {mark.line + 1}, column {mark.column + 1}: {said}"
    return f": {error}" if isinstance(error, ValueError) else ""


def _find_agent(name: str, folder: Path) -> Path:
    """Find an agent's file: beside the config in agents/, or among the project's own."""
    file = f"{name}.yaml"
    folders = [folder / "agents", PROJECT_CONFIGS / "agents"]
    for candidate in [*(f / file for f in folders), Path(name)]:
        if candidate.is_file():
            return candidate
    known = [p.stem for f in folders if f.is_dir() for p in f.glob("*.yaml")]
    raise ConfigError(f"unknown agent {name!r}{did_you_mean(name, known)}; a path to a YAML file will do too.")


def _apply(content: JsonDict, override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise ConfigError(f"override {override!r} is not of the form key=value, such as training.epochs=10.")
    try:
        value: Any = yaml.safe_load(text)
    except _NO_YAML as error:
        quoted = shlex.quote(f"{key}={json.dumps(text, ensure_ascii=False)}")
        raise ConfigError(
            f"override {override!r}: {text!r} cannot be read as a value. Close its brackets and quotes; if it is meant "
            f"as text, quote it: {quoted}"
        ) from error
    *sections, last = key.split(".")
    place = content
    for section in sections:
        inner = place.get(section)
        if section == "agent" and isinstance(inner, str):
            return  # agent: a name; its file is read first, then this is applied to what it holds
        if inner is None:
            inner = place[section] = {}
        if not isinstance(inner, dict):
            raise ConfigError(f"override {override!r}: {section!r} is a value, not a section.")
        place = inner
    place[last] = value
