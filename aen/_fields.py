"""Reading the fields of a dataclass from JSON values, with messages that name what is wrong."""

from collections.abc import Iterable, Mapping
from dataclasses import Field, fields
from typing import Any

from aen.errors import AenError, SpecError, did_you_mean

_FIELDS: dict[type, tuple["Field[Any]", ...]] = {}


def fields_of(kind: type) -> tuple["Field[Any]", ...]:
    """Return what `dataclasses.fields` does, once for each class: it builds the tuple anew at every call."""
    if kind not in _FIELDS:
        _FIELDS[kind] = fields(kind)
    return _FIELDS[kind]


def shown(value: object) -> str:
    """Return a value and its type in one line of a message, shortened if it is long."""
    text = " ".join(repr(value).split())
    longest = 120
    text = text if len(text) <= longest else f"{text[: longest - 3]}..."
    return text if isinstance(value, str) or value is None else f"{text}, of type {type(value).__name__},"


def read_fields(what: str, value: object, known: Iterable[str], error: type[AenError] = SpecError) -> dict[str, Any]:
    """Return a dictionary of JSON values with its lists as tuples, after checking its keys.

    Args:
        what: what is read, for messages.
        value: the dictionary.
        known: the keys that it may have.
        error: the exception to raise.

    Raises:
        AenError: `value` is not a dictionary, or has an unknown key.
    """
    if not isinstance(value, Mapping):
        raise error(f"{what} is {shown(value)} which cannot be read; give a dict such as to_json() returns.")
    names = list(known)
    for name in value:
        if name not in names:
            raise error(f"{what} has an unknown field {name!r}{did_you_mean(str(name), names)}.")
    return {name: tuple(content) if isinstance(content, list) else content for name, content in value.items()}
