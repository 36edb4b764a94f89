"""Overrides of config keys: ``key=value``, as on the command line."""

import json
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from aen._text import shortened
from aen._typing import JsonDict
from aen.errors import ConfigError
from aen_agents.config.written import show
from aen_agents.config.yaml_file import YAML_ERRORS, RefusedYAMLError, parse_yaml

# Keys whose value may be a name that chooses a section, given beside keys of the section.
_CHOOSING = ("agent", "evaluator")


@dataclass(frozen=True)
class Override:
    """An override.

    Attributes:
        text: as it was given.
        key: dotted.
        value: read as YAML.
    """

    text: str
    key: str
    value: Any

    @property
    def chooses(self) -> bool:
        """Whether it chooses a section by its name, such as ``agent=dqn``."""
        return self.key in _CHOOSING and not isinstance(self.value, dict)

    @property
    def leaves(self) -> Iterable[str]:
        """The keys that it sets: its own, or those of the mapping that is its value."""
        return _leaves(self.key, self.value)


def parse_overrides(texts: Sequence[str]) -> list[Override]:
    """Read overrides.

    Raises:
        ConfigError: one is not of the form ``key=value``, its value is not YAML, or two set the same key.
    """
    overrides = [_parse(text) for text in texts]
    refuse_repeated(overrides)
    return overrides


def refuse_repeated(overrides: Sequence[Override]) -> None:
    """Refuse overrides of which one would undo another: both set a key, or the later one replaces its section.

    Raises:
        ConfigError: both are named.
    """
    for place, later in enumerate(overrides):
        for earlier in overrides[:place]:
            if later.key == earlier.key or (not later.chooses and earlier.key.startswith(f"{later.key}.")):
                key = later.key
            elif _chosen_twice(earlier, later):
                key = "evaluator.kind"
            elif later.key.startswith(f"{earlier.key}.") and not earlier.chooses and earlier.value is not None:
                key = next((leaf for leaf in later.leaves if _overlaps(leaf, earlier.leaves)), "")
            else:
                continue
            if key:
                raise ConfigError(
                    f"overrides {show(earlier.text)} and {show(later.text)} both set {shortened(key)}; keep one."
                )


def _chosen_twice(one: Override, other: Override) -> bool:
    """Return whether both name an evaluator, not the same: ``evaluator=ray`` is short for ``evaluator.kind=ray``."""
    return (
        {one.key, other.key} == {"evaluator", "evaluator.kind"}
        and one.value != other.value
        and (one.chooses or other.chooses)
    )


def _overlaps(key: str, others: Iterable[str]) -> bool:
    return any(key == other or f"{key}.".startswith(f"{other}.") or other.startswith(f"{key}.") for other in others)


def _leaves(key: str, value: object) -> Iterable[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _leaves(f"{key}.{name}", inner)
    else:
        yield key


def _parse(text: str) -> Override:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise ConfigError(f"override {show(text)} is not of the form key=value, such as training.epochs=10.")
    if key.partition(".")[0] == "base":
        raise ConfigError(f"override {show(text)}: base is a key of a file; give the config to start from itself.")
    try:
        return Override(text, key, parse_yaml(value))
    except RefusedYAMLError as error:
        raise ConfigError(f"override {show(text)}: {error.problem}.") from error
    except YAML_ERRORS as error:
        quoted = shortened(shlex.quote(f"{key}={json.dumps(value, ensure_ascii=False)}"))
        raise ConfigError(
            f"override {show(text)}: {show(value)} cannot be read as a value. Close its brackets and quotes; if it is "
            f"meant as text, quote it: {quoted}"
        ) from error


def apply_override(content: JsonDict, override: Override) -> None:
    """Set a key of a config.

    Raises:
        ConfigError: the key leads through a value that is no section.
    """
    *sections, last = override.key.split(".")
    place = content
    for section in sections:
        inner = place.get(section)
        if section == "agent" and isinstance(inner, str):
            return  # the name of an agent: load_config reads its file first and then applies this override to it
        if inner is None:
            inner = place[section] = {}
        if not isinstance(inner, dict):
            raise ConfigError(f"override {show(override.text)}: {show(section)} is a value, not a section.")
        place = inner
    place[last] = override.value
