"""The type checker of the tests: beartype for array shapes (jaxtyping), and nothing else.

mypy checks all other types; at run time they are the user's to get wrong, and the tests see which message comes.
"""

from collections.abc import Callable
from typing import Any

from beartype import beartype
from jaxtyping import AbstractArray


def check_shapes(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function with its array arguments and results checked."""
    shapes = {
        name: hint
        for name, hint in getattr(function, "__annotations__", {}).items()
        if isinstance(hint, type) and issubclass(hint, AbstractArray)
    }
    if not shapes:
        return function
    function.__annotations__ = shapes
    return beartype(function)
