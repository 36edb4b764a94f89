"""The type checker of the tests: beartype for array shapes (jaxtyping), and nothing else.

mypy checks all other types; at run time they are the user's to get wrong, and the tests see which message comes.
"""

from collections.abc import Callable
from typing import Any

import jaxtyping
from beartype import beartype
from jaxtyping import AbstractArray

_decorate = jaxtyping.jaxtyped


def check_shapes(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function with its array arguments and results checked."""
    shapes = {name: hint for name, hint in getattr(function, "__annotations__", {}).items() if _is_shape(hint)}
    if not shapes:
        return function
    function.__annotations__ = shapes
    return beartype(function)


def leave_the_rest_alone() -> None:
    """Have jaxtyping's import hook wrap only what has shapes to check, a tenth of all functions.

    It would wrap them all, and each call of one takes 0.05 ms more: half of what many tests take.
    """
    jaxtyping.jaxtyped = _decorate_where_shapes_are


def _decorate_where_shapes_are(*, typechecker: Callable[..., Any]) -> Callable[..., Any]:
    decorate = _decorate(typechecker=typechecker)
    return lambda target: decorate(target) if _has_shapes(target) else target


def _has_shapes(target: Any) -> bool:
    """Whether a function, or the `__init__` of a dataclass, says the shape of an array."""
    function = target.__init__ if isinstance(target, type) else target
    hints = getattr(function, "__annotations__", {}).values()
    return any(_is_shape(_resolved(hint, function.__globals__)) for hint in hints)


def _resolved(hint: object, names: dict[str, Any]) -> object:
    """An annotation in quotes as what it stands for, as jaxtyping sees it; None where that is not known yet."""
    if not isinstance(hint, str):
        return hint
    try:
        return eval(hint, names)  # noqa: S307 - an annotation of ours
    except NameError:
        return None


def _is_shape(hint: object) -> bool:
    return isinstance(hint, type) and issubclass(hint, AbstractArray)
