"""Reads YAML files and values."""

from pathlib import Path

import yaml

from aen._files import cannot_read
from aen._typing import JsonDict
from aen.errors import ConfigError, did_you_mean
from aen_agents.errors import what_is_wrong

# What PyYAML raises: its own errors, ValueError (a date such as 2026-13-01), RecursionError (brackets nested too deep).
YAML_ERRORS = (yaml.YAMLError, ValueError, RecursionError)


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
    except OSError as error:
        raise ConfigError(f"config {cannot_read(path, error)}.") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"config {path} cannot be used: {what_is_wrong(error)}.") from error
    except YAML_ERRORS as error:
        raise ConfigError(f"config {path} is not YAML{_where(error)}.") from error
    if not isinstance(content, dict):
        raise ConfigError(f"config {path} is not a mapping of keys to values.")
    return content


def _where(error: Exception) -> str:
    """Return the line, the column and the problem of a YAML error, as far as they are known."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        problem = " ".join((error.problem or "").split())
        if "stream end" in problem or "end of stream" in problem:
            problem = "it ends before a bracket or a quote is closed"
        return f": line {mark.line + 1}, column {mark.column + 1}: {problem}"
    return f": {error}" if isinstance(error, ValueError) else ""
