"""Describes the keys of configs: type, default and allowed values of each, taken from the models."""

import types
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from aen_agents.config.search import ALTERNATIVES, SearchConfig
from aen_agents.config.section import Section
from aen_agents.config.yaml_file import dump_inline

REQUIRED = "required"
_PLAIN = {
    int: "whole number",
    float: "number",
    bool: "true or false",
    str: "text",
    type(None): "null",
    Any: "any value",
}
# Attributes of constraints, and the words for their values.
_LIMITS = {"gt": "> {}", "ge": ">= {}", "lt": "< {}", "le": "<= {}"}


@dataclass(frozen=True)
class Key:
    """A key.

    Attributes:
        name: dotted.
        kind: its type and the values allowed.
        default: as YAML, or `REQUIRED`.
        description: of its field.
    """

    name: str
    kind: str
    default: str
    description: str


@dataclass(frozen=True)
class KeyGroup:
    """The keys of a section, or of one kind of it.

    Attributes:
        section: its name; empty for the keys outside of sections.
        tag: ``key=value`` that chooses the kind, such as ``child.kind=gcnn``; empty if there is one kind.
        about: a sentence.
        keys: its keys.
    """

    section: str
    tag: str
    about: str
    keys: tuple[Key, ...]


def search_keys(*, plugins: bool = True) -> list[KeyGroup]:
    """Return the keys of a search's config.

    Args:
        plugins: whether kinds that other packages provide are among them.
    """
    groups = [KeyGroup("", "", "Keys outside of sections.", model_keys(SearchConfig))]
    for name, field in SearchConfig.model_fields.items():
        several = ALTERNATIVES.get(name)
        if several is not None:
            for kind, one in (several if plugins else several.built_in).items():
                tag = f"{name}.{several.key}={kind}"
                groups.append(KeyGroup(name, tag, _about(one), model_keys(one, f"{name}.")))
        elif (model := _section(field)) is not None:
            groups.append(KeyGroup(name, "", _about(model), model_keys(model, f"{name}.")))
    return groups


def model_keys(model: type[BaseModel], prefix: str = "") -> tuple[Key, ...]:
    """Return the keys of a model that are no sections."""
    return tuple(
        Key(f"{prefix}{name}", _of_field(field), _default(field), field.description or "")
        for name, field in model.model_fields.items()
        if _section(field) is None
    )


def _section(field: FieldInfo) -> type[Section] | None:
    """Return the model of a field that is a section, None for any other."""
    return field.annotation if isinstance(field.annotation, type) and issubclass(field.annotation, Section) else None


def _about(model: type[BaseModel]) -> str:
    return (model.__doc__ or "").strip().partition("\n\n")[0].replace("\n", " ")


def _default(field: FieldInfo) -> str:
    return REQUIRED if field.is_required() else dump_inline(field.default)


def _of_field(field: FieldInfo) -> str:
    inner = get_args(field.annotation)
    if get_origin(field.annotation) not in {Union, types.UnionType} or type(None) not in inner:
        return _with_limits(_of_type(field.annotation), field.metadata)
    words = " or ".join(_of_type(part) for part in inner if part is not type(None))
    return f"{_with_limits(words, field.metadata)} or null"


def _with_limits(words: str, constraints: Iterable[Any]) -> str:
    found = [
        (name, value)
        for constraint in constraints
        for name in (*_LIMITS, "min_length")
        if (value := getattr(constraint, name, None)) is not None
    ]
    limits = [
        _LIMITS[name].format(f"{value:,}" if isinstance(value, int) else f"{value:g}")
        for name, value in found
        if name in _LIMITS
    ]
    empty = ", not empty" if any(name == "min_length" for name, _ in found) else ""
    return " ".join([words, *([" and ".join(limits)] if limits else [])]) + empty


def _of_type(annotation: Any) -> str:  # noqa: ANN401 - a type
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        constraints = [part for info in inner[1:] for part in getattr(info, "metadata", [info])]
        words = _with_limits(_of_type(inner[0]), constraints)
    elif origin is Literal:
        words = " | ".join(map(str, inner))
    elif origin in {Union, types.UnionType}:
        words = " or ".join(map(_of_type, inner))
    elif origin is tuple and inner[-1] is ...:
        words = f"list of ({_of_type(inner[0])})"
    elif origin is tuple:
        words = f"[{', '.join(map(_of_type, inner))}]"
    elif origin is dict:
        words = f"mapping of names to ({_of_type(inner[1])})"
    else:
        words = _PLAIN.get(annotation, "section")
    return words
