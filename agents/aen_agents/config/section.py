"""The base class of all sections of a configuration."""

from typing import Any

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from aen_agents.config.written import WrittenFloat, WrittenInt

# Of every number that has no other limit: neither is exceeded by a value that makes sense, and both fit into any type.
_LIMITS: dict[str, dict[str, Any]] = {
    "int": {"ge": -(10**9), "le": 10**9},
    "float": {"ge": -1e30, "le": 1e30, "allow_inf_nan": False},
}


def _strict(schema: Any, *, alone: bool) -> Any:  # noqa: ANN401 - a part of a schema
    """Return a part of a schema with its scalars strict.

    Args:
        schema: the part.
        alone: whether it is not one of several alternatives; a number is not read as text where it may be an error.
    """
    if isinstance(schema, list):
        return [_strict(item, alone=alone) for item in schema]
    if not isinstance(schema, dict):
        return schema
    kind = schema.get("type")
    if kind in {"int", "float", "bool", "str"}:
        strict: Any = {**_LIMITS.get(kind, {}), **schema, "strict": True}
        for own, other in (("lt", "le"), ("gt", "ge")):
            if own in schema:
                strict.pop(other, None)
        convert = {"int": _whole, "str": _text if alone else _without_nul}.get(kind)
        return strict if convert is None else core_schema.no_info_before_validator_function(convert, strict)
    if kind == "function-before" and schema["function"]["function"] in {_whole, _text, _without_nul}:  # an inner one's
        return schema
    kept = {"metadata", "config", "cls", "default", "serialization"}
    alone = alone and kind != "union"
    return {key: value if key in kept else _strict(value, alone=alone) for key, value in schema.items()}


def _whole(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _text(value: object) -> object:
    return value.written if isinstance(value, WrittenInt | WrittenFloat) else _without_nul(value)


def _without_nul(value: object) -> object:
    if isinstance(value, str) and "\0" in value:
        raise ValueError("a NUL character cannot be part of a name or a path; leave it out")
    return value


class Section(BaseModel):
    """A part of a configuration: immutable, and an unknown key is an error.

    No value becomes one of another type: ``true``, ``yes`` and ``"8"`` are not numbers, and 1 is not ``true``. There
    are two exceptions: 1e3 and 8.0 are whole numbers, too, and a key that takes text, such as ``name``, takes a number
    as it is written.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:  # noqa: ANN401
        """Return pydantic's schema, with all numbers, texts and booleans strict, at any depth."""
        schema: CoreSchema = _strict(handler(source), alone=True)
        return schema
