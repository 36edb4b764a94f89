"""Messages for an invalid configuration: the key, its value, and which values are allowed."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import pydantic
from pydantic import BaseModel

from aen._text import shortened
from aen.errors import did_you_mean
from aen_agents.config.union import Kinds
from aen_agents.config.written import show

_LONGEST = 1000  # characters of a message; its values are cut before
_MOST = 10  # messages
# By pydantic's error: which value is expected.
_EXPECTED = {
    "int_type": "expected a whole number such as 10, in decimal digits",
    "float_type": "expected a number such as 0.5 or 1e-3, in decimal digits",
    "bool_type": "expected true or false",
    "string_type": "expected text; if it is meant as text, put it in quotes",
}


def explain(
    error: pydantic.ValidationError, root: type[BaseModel], alternatives: Mapping[str, Kinds[Any]]
) -> dict[str, str]:
    """Return a message by each key that was refused; the key is empty for what concerns several sections.

    Args:
        error: what pydantic found.
        root: the model of the whole configuration.
        alternatives: for each section that comes in several kinds, the models of these.
    """
    problems = error.errors()
    explained: dict[str, str] = {}
    for place, problem in enumerate(problems):
        if len(explained) >= _MOST:
            explained["..."] = f"and {len(problems) - place:,} more"
            break
        name, field, keys = _place(problem["loc"], root, alternatives)
        follows = problem["type"] == "too_short" and len(problems) > 1  # an item was refused, which has its own message
        if not follows:
            explained.setdefault(name, _message(problem, name, field, keys, alternatives))
    return explained


def _place(
    loc: Sequence[str | int], root: type[BaseModel], alternatives: Mapping[str, Kinds[Any]]
) -> tuple[str, Any, Sequence[str]]:
    """Return the key's dotted name (without pydantic's names of alternatives), its field, and its section's keys."""
    section: Any = root
    parts: list[str] = []
    keys: Sequence[str] = ()
    field: Any = None
    for place, part in enumerate(loc):
        several = alternatives.get(parts[0]) if place == 1 else None
        if several is not None and part in several:  # the name of the kind, which pydantic inserts; not a key
            section = several[str(part)]
            continue
        fields = getattr(section, "model_fields", {})
        if parts and not fields and (isinstance(part, int) or field is None or "generators" not in parts):
            break
        parts.append(str(part))
        keys = list(fields)
        field = fields.get(part)
        section = field.annotation if field is not None else None
    return ".".join(parts), field, keys


def _message(
    problem: Any,  # noqa: ANN401 - pydantic's error
    name: str,
    field: Any,  # noqa: ANN401 - pydantic's field
    keys: Sequence[str],
    alternatives: Mapping[str, Kinds[Any]],
) -> str:
    kind, value, several = problem["type"], problem["input"], alternatives.get(name)
    shown = show(value)
    match kind:
        case "extra_forbidden":
            message = f"unknown key {show(name)}{_nested(problem['loc'][-1], keys) or did_you_mean(_last(name), keys)}"
        case "missing":
            message = f"{name} is missing"
        case "tuple_type":
            message = f"{name} is {shown}; give a list in brackets, such as [{shortened(str(value))}]"
        case "union_tag_invalid" if several is not None:
            tag = value[several.key]
            why = several.broken.get(str(tag))
            message = f"{name}.{several.key} is {show(tag)}, an unknown {several.what}{did_you_mean(str(tag), several)}"
            message = message if why is None else f"{name}.{several.key} is {show(tag)}: {why}"
        case "union_tag_not_found" if name == "agent" and several is not None:
            message = f"{name} is {shown}; expected the name of an agent ({', '.join(several)}) or a section"
        case "union_tag_not_found" if several is not None:
            message = f"{name} is {shown}; expected a section whose key {several.key} is one of {', '.join(several)}"
        case "value_error" if not name:  # several sections together
            message = problem["msg"].removeprefix("Value error, ")
        case "model_type" | "model_attributes_type":
            message = f"{name} is {shown}; expected a section with the keys {', '.join(field.annotation.model_fields)}"
        case "string_pattern_mismatch":
            message = f"{name} is {shown}; {field.description}"
        case _:
            hint = f" ({field.description})" if field is not None and field.description else ""
            expected = _EXPECTED.get(kind, problem["msg"].removeprefix("Value error, "))
            message = f"{name} is {shown}{_near(problem)}: {expected}{hint}"
    return shortened(message, _LONGEST)


def _last(name: str) -> str:
    return name.rpartition(".")[2]


def _nested(key: str | int, keys: Sequence[str]) -> str:
    """Return a remedy for a dotted key in a file, such as ``training.epochs: 3``; an empty string for other keys."""
    section, dot, inner = str(key).partition(".")
    return f"; in a file, write {section}: {{{shortened(inner)}: ...}}" if dot and section in keys else ""


def _near(problem: Any) -> str:  # noqa: ANN401 - pydantic's error
    """Return `(did you mean X?)` if an allowed word is close to the given one, or an empty string."""
    words = re.findall("'([^']*)'", problem["ctx"]["expected"]) if problem["type"] == "literal_error" else []
    message = did_you_mean(str(problem["input"]), words)
    return message if "did you mean" in message else ""
