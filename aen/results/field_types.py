"""Checks the values of a result that was read from JSON against the types of its fields."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import is_dataclass
from functools import cache
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from aen._fields import fields_of, shown


class FieldTypeError(ValueError):
    """A value of a result has another type than its field, or is no finite number."""


def check_fields(result: object, *, unchecked: Iterable[str] = ()) -> None:
    """Check the fields of a dataclass, and of the dataclasses in them, against their annotations.

    Args:
        result: the dataclass.
        unchecked: names of its fields that are not checked.

    Raises:
        FieldTypeError: a value has the wrong type; the message names its field.
    """
    left_out = set(unchecked)
    for name, wanted in _hints(_class_of(result)):
        if name not in left_out:
            _check(getattr(result, name), wanted, name)


def check_numbers(value: object, where: str = "") -> None:
    """Check that all numbers among JSON values are finite as floats.

    Raises:
        FieldTypeError: one is not; the message names its keys.
    """
    if isinstance(value, int | float):
        try:
            finite = math.isfinite(value)
        except OverflowError:  # an int that is too large for a float
            finite = False
        if not finite:
            raise FieldTypeError(f"{where} is {shown(value).partition(',')[0]} but must be a finite number")
    elif isinstance(value, Mapping | list):
        for key, content in value.items() if isinstance(value, Mapping) else enumerate(value):
            check_numbers(content, f"{where}.{key}" if where else str(key))


def _class_of(value: Any) -> Any:  # noqa: ANN401 - mypy takes `type[object]` for unhashable
    return type(value)


@cache
def _hints(kind: type) -> tuple[tuple[str, Any], ...]:
    hints = get_type_hints(kind)
    return tuple((f.name, hints[f.name]) for f in fields_of(kind))


def _check(value: object, wanted: Any, where: str) -> None:  # noqa: ANN401 - an annotation
    origin, arguments = get_origin(wanted), get_args(wanted)
    if wanted is Any:
        return
    if origin in (Union, UnionType):
        _check_union(value, arguments, where)
    elif origin is Literal:
        _require(value in arguments, value, " or ".join(map(repr, arguments)), where)
    elif origin is tuple:
        _require(isinstance(value, tuple), value, "a list", where)
        for place, (item, kind) in enumerate(_items(value, arguments, where)):
            _check(item, kind, f"{where}.{place}")
    elif origin is not None and issubclass(origin, Mapping):
        _require(isinstance(value, Mapping), value, "an object", where)
        for key, content in value.items():  # type: ignore[attr-defined]  # a mapping, which was just checked
            _check(content, arguments[1], f"{where}.{key}")
    elif isinstance(wanted, type) and is_dataclass(wanted):
        _require(isinstance(value, wanted), value, "an object", where)
        for name, kind in _hints(wanted):
            _check(getattr(value, name), kind, f"{where}.{name}")
    else:
        _require(_is_plain(value, wanted), value, _NAMES.get(wanted, wanted.__name__), where)


def _check_union(value: object, kinds: tuple[Any, ...], where: str) -> None:
    """Check a value that may be None, or one of several dataclasses."""
    if value is None and type(None) in kinds:
        return
    possible = [kind for kind in kinds if kind is not type(None)]
    fitting = [kind for kind in possible if isinstance(kind, type) and isinstance(value, kind)]
    _check(value, (fitting or possible)[0], where)


def _items(value: Any, arguments: tuple[Any, ...], where: str) -> Iterator[tuple[object, Any]]:  # noqa: ANN401
    if arguments[-1] is Ellipsis:
        return ((item, arguments[0]) for item in value)
    _require(len(value) == len(arguments), value, f"a list of {len(arguments)}", where)
    return zip(value, arguments, strict=True)


_NAMES = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}


def _is_plain(value: object, wanted: type) -> bool:
    if isinstance(value, bool):
        return wanted is bool
    return isinstance(value, int | float) if wanted is float else isinstance(value, wanted)


def _require(condition: bool, value: object, wanted: str, where: str) -> None:
    if not condition:
        raise FieldTypeError(f"{where} is {shown(value)} but must be {wanted}")
