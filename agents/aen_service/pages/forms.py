"""The fields of the form of a new search, made from the JSON schema of configs."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from aen._typing import JsonDict
from aen_agents.config import SearchConfig
from aen_agents.config.yaml_file import YAML_ERRORS, dump_inline, parse_yaml

# The sections in the order in which they are shown, and which are unfolded. Those that the service sets are left out.
_SECTIONS = {
    "budget": ("Budget", True),
    "data": ("Data", False),
    "training": ("Training of each child", False),
    "child": ("Child network", False),
    "agent": ("Agent", False),
    "environment": ("Environment", False),
    "space": ("Space", False),
    "selection": ("Selection", False),
}
_GENERAL = ("seed", "alphabet", "symmetry_test")
_CHOSEN_ELSEWHERE = ("data.name", "data.path", "agent.name", "child.kind")


@dataclass(frozen=True)
class Field:
    """A field of the form.

    Attributes:
        key: dotted key of the config.
        label: its name for people.
        help: what it means.
        value: as it is shown: the one that was typed, or that of the preset.
        base: the value of the preset.
        choices: all values, if they are few; otherwise it is typed.
        kind: ``number`` or ``text``.
    """

    key: str
    label: str
    help: str
    value: str
    base: str
    choices: tuple[str, ...] = ()
    kind: str = "text"

    @property
    def is_changed(self) -> bool:
        """Whether the value is not the preset's."""
        return self.value != self.base


@dataclass(frozen=True)
class Section:
    """Fields that belong together."""

    title: str
    fields: tuple[Field, ...]
    unfolded: bool

    @property
    def changes(self) -> int:
        """How many fields are changed."""
        return sum(field.is_changed for field in self.fields)


@cache
def schema() -> JsonDict:
    """Return the JSON schema of a config."""
    return SearchConfig.model_json_schema()


def agents() -> tuple[str, ...]:
    """Return the names of all agents."""
    return tuple(
        _definition(option)["properties"]["name"]["const"] for option in schema()["properties"]["agent"]["oneOf"]
    )


def form_of(config: JsonDict, typed: Mapping[str, str]) -> list[Section]:
    """Return the sections of the form.

    Args:
        config: the preset, resolved.
        typed: by dotted key.
    """
    top = schema()["properties"]
    general = tuple(_field(key, top[key], config.get(key), typed) for key in _GENERAL)
    found = [Section("General", general, unfolded=True)]
    for name, (title, unfolded) in _SECTIONS.items():
        values = config.get(name)
        if not isinstance(values, dict):
            continue
        properties = _properties(top[name], values)
        fields = tuple(
            _field(f"{name}.{key}", properties[key], value, typed)
            for key, value in values.items()
            if key in properties and f"{name}.{key}" not in _CHOSEN_ELSEWHERE
        )
        if fields:
            found.append(Section(title, fields, unfolded))
    return found


def changes_of(config: JsonDict, typed: Mapping[str, str]) -> tuple[JsonDict, str | None]:
    """Return the values that differ from a preset's, by dotted key, and the first that cannot be read."""
    known = {field.key: field for section in form_of(config, typed) for field in section.fields}
    found: JsonDict = {}
    problem = None
    for key, text in typed.items():
        if key.startswith("agent.") and key not in known:
            continue  # of the agent that was chosen before
        if key in known and text.strip() == known[key].base:
            continue
        try:
            found[key] = parse_yaml(text)
        except YAML_ERRORS:
            problem = problem or f"{key} is {text[:60]!r}; give a value as in a config file."
    return found, problem


def _definition(given: JsonDict) -> JsonDict:
    reference = given.get("$ref")
    return schema()["$defs"][reference.rpartition("/")[2]] if reference else given


def _properties(section: JsonDict, values: JsonDict) -> JsonDict:
    """Return the properties of a section: of several kinds, those of the one that the values name."""
    options = [_definition(option) for option in section.get("oneOf", [section])]
    for option in options:
        properties = option.get("properties", {})
        names = [key for key in ("name", "kind") if "const" in properties.get(key, {})]
        if all(properties[key]["const"] == values.get(key) for key in names):
            return dict(properties)
    return {}


def _choices_or_null(given: JsonDict) -> list[Any]:
    """Return the choices of a value that is one of some or null; none for other alternatives."""
    found: list[Any] = []
    for alternative in given.get("anyOf", ()):
        if alternative.get("type") == "null":
            found.append(None)
        elif "enum" in alternative:
            found += alternative["enum"]
        else:
            return []
    return found


def _field(key: str, given: JsonDict, value: Any, typed: Mapping[str, str]) -> Field:  # noqa: ANN401 - of JSON
    base = dump_inline(value)
    choices = given.get("enum") or _choices_or_null(given)
    if given.get("type") == "boolean":
        choices = [True, False]
    shown = tuple(dump_inline(choice) for choice in choices)
    value_shown = typed.get(key, base).strip()
    if shown and value_shown not in shown:
        shown = (*shown, value_shown)
    return Field(
        key=key,
        label=key.rpartition(".")[2].replace("_", " "),
        help=given.get("description", ""),
        value=value_shown,
        base=base,
        choices=shown,
        kind="number" if given.get("type") in {"integer", "number"} else "text",
    )
