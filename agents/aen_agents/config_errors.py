"""What is wrong with a configuration, in words: the key, its value and what would do."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pydantic
from pydantic import BaseModel

from aen.errors import did_you_mean


def explain(
    error: pydantic.ValidationError, root: type[BaseModel], agents: Mapping[str, type[BaseModel]]
) -> Iterable[str]:
    """Return one message for each key that was refused.

    Args:
        error: what pydantic found.
        root: the model of the whole configuration.
        agents: the model of each agent by its name, of which the section ``agent`` is one.
    """
    problems = error.errors()
    explained: dict[str, str] = {}
    for problem in problems:
        name, field, keys = _place(problem["loc"], root, agents)
        follows = problem["type"] == "too_short" and len(problems) > 1  # an item was refused; that is said already
        if not follows:
            explained.setdefault(name, _say(problem, name, field, keys, agents))
    return explained.values()


def _place(
    loc: Sequence[str | int], root: type[BaseModel], agents: Mapping[str, type[BaseModel]]
) -> tuple[str, Any, Sequence[str]]:
    """Return the key's dotted name, without pydantic's inner names for alternatives, its field, and its neighbours."""
    section: Any = root
    parts: list[str] = []
    keys: Sequence[str] = ()
    field: Any = None
    for part in loc:
        if parts == ["agent"] and part in agents:  # which of the agents: pydantic's word, no key
            section = agents[str(part)]
            continue
        fields = getattr(section, "model_fields", {})
        if parts and not fields and (isinstance(part, int) or field is None or "generators" not in parts):
            break
        parts.append(str(part))
        keys = list(fields)
        field = fields.get(part)
        section = field.annotation if field is not None else None
    return ".".join(parts), field, keys


def _say(
    problem: Any,  # noqa: ANN401 - pydantic's error
    name: str,
    field: Any,  # noqa: ANN401 - pydantic's field
    keys: Sequence[str],
    agents: Mapping[str, type[BaseModel]],
) -> str:
    kind, value = problem["type"], problem["input"]
    match kind:
        case "extra_forbidden":
            said = f"unknown key {name!r}{did_you_mean(name.rpartition('.')[2], keys)}"
        case "missing":
            said = f"{name} is missing"
        case "tuple_type":
            said = f"{name} is {value!r}; give a list in brackets, such as [{value}]"
        case "union_tag_invalid":
            said = f"{name}.name is {value['name']!r}, an unknown agent{did_you_mean(str(value['name']), agents)}"
        case "union_tag_not_found":
            said = (
                f"{name} is {value!r}; it is the name of an agent ({', '.join(agents)}) or a section with its settings"
            )
        case "model_type" | "model_attributes_type":
            said = f"{name} is {value!r}; it is a section with the keys {', '.join(field.annotation.model_fields)}"
        case "string_pattern_mismatch":
            said = f"{name} is {value!r}; {field.description}"
        case _:
            hint = f" ({field.description})" if field is not None and field.description else ""
            said = f"{name} is {value!r}: {problem['msg'].removeprefix('Value error, ')}{hint}"
    return said
