"""Checks of the choices that a space offers; each raises a SpecError that names the argument and its value."""

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from numbers import Real
from typing import TypeVar

from aen._fields import shown
from aen.errors import SpecError

Choice = TypeVar("Choice", bound=Hashable)


def listed(what: str, choices: Sequence[Choice]) -> list[Choice]:
    """Return choices as a list; text and mappings are refused."""
    if isinstance(choices, str | Mapping) or not isinstance(choices, Iterable):
        raise SpecError(f"{what} is {shown(choices)} but must be a list of numbers.")
    return list(choices)


def numbers_of(what: str, choices: Sequence[float]) -> list[float]:
    """Return choices that are numbers, as a list."""
    found = listed(what, choices)
    if any(isinstance(factor, bool) or not isinstance(factor, Real) for factor in found):
        raise SpecError(f"{what} is {shown(choices)} but must be a list of numbers.")
    return [float(factor) for factor in found]


def check_different(what: str, choices: Sequence[Hashable]) -> None:
    """Check that there are choices, each of them once."""
    twice = [choice for choice, count in Counter(choices).items() if count > 1]
    if twice:
        raise SpecError(f"{what} is {list(choices)}, which offers {twice[0]!r} more than once; name each once.")
    if not choices:
        raise SpecError(f"{what} is empty; offer at least one choice.")


def with_first(what: str, choices: Sequence[Choice], first: Choice) -> tuple[Choice, ...]:
    """Return the choices with the baseline's first."""
    check_different(what, choices)
    if first not in choices:
        raise SpecError(
            f"{what} is {list(choices)}, without {first!r}; add it: the baseline, by which all others are measured, "
            "has it."
        )
    return (first, *(choice for choice in choices if choice != first))
