"""Checks of the arguments of environments, which name argument, value and remedy."""

import inspect
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, TypeVar

import gymnasium
import numpy as np

from aen._fields import shown
from aen.children import ChildSpec
from aen.errors import SpecError, did_you_mean
from aen.spaces import Space, space_from_json

# ``default``: the observation space of the environment's documentation; ``box``: a float32 `Box`.
ObservationKind = Literal["default", "box"]
# ``state``: the state alone; ``full``: a `Dict` with the evidence too, see `aen_envs.full_observation`.
Observed = Literal["state", "full"]

Spec = TypeVar("Spec", bound=ChildSpec)
SomeSpace = TypeVar("SomeSpace", bound=Space)


class SeedError(SpecError, gymnasium.error.Error):
    """A wrong seed of a reset; also an error of Gymnasium's, whose own environments raise one for it."""


def whole_number(name: str, value: object, least: int | None = None) -> int:
    """Return a whole number, also one of NumPy.

    Raises:
        SpecError: it is none, or below `least`.
    """
    number = _scalar(value)
    if isinstance(number, bool | np.bool_) or not isinstance(number, int | np.integer):
        raise SpecError(f"{name} is {shown(value)} but must be a whole number, such as 3.")
    if least is not None and number < least:
        raise SpecError(f"{name} is {number}; it must be at least {least}.")
    return int(number)


def price(name: str, value: object) -> float:
    """Return a finite number from 0 up.

    Raises:
        SpecError: it is none.
    """
    number = _scalar(value)
    wrong = isinstance(number, bool | np.bool_) or not isinstance(number, int | float | np.integer | np.floating)
    if wrong or not 0 <= number < math.inf:
        raise SpecError(f"{name} is {value}; it must be a finite number from 0 up.")
    return float(number)


def flag(name: str, value: object) -> bool:
    """Return True or False.

    Raises:
        SpecError: it is neither.
    """
    answer = _scalar(value)
    if not isinstance(answer, bool | np.bool_):
        raise SpecError(f"{name} is {shown(value)} but must be True or False.")
    return bool(answer)


def one_of(name: str, value: object, options: Iterable[str]) -> str:
    """Return a name.

    Raises:
        SpecError: it is not one of `options`.
    """
    names = list(options)
    if not isinstance(value, str) or value not in names:
        raise SpecError(f"unknown {name} {value!r}{did_you_mean(str(value), names)}.")
    return value


def names_or_none(name: str, value: Sequence[str] | None) -> list[str] | None:
    """Return a list of names, or None.

    Raises:
        SpecError: it is neither.
    """
    if value is None:
        return None
    wrong = isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable)
    found = [] if wrong else list(value)
    if wrong or not all(isinstance(each, str) for each in found):
        raise SpecError(f"{name} is {shown(value)} but must be a list of names, such as ['D4', 'C1'], or None.")
    return [str(each) for each in found]


def child_with_seed(kind: type[Spec], child: object, seed: object, default: Callable[[], Spec]) -> Spec:
    """Return the child of an environment.

    Args:
        kind: its class.
        child: a spec, a dictionary of its fields, or None.
        seed: the argument `child_seed`.
        default: makes the child that None stands for.

    Raises:
        SpecError: `child` is of another kind or has a wrong field, or a wrong seed.
    """
    found: Spec = default() if child is None else kind.from_json(child)  # type: ignore[arg-type]
    return found.with_seed(checked_child_seed(seed))


def checked_child_seed(value: object) -> int:
    """Return the argument `child_seed`.

    Raises:
        SpecError: it is no whole number from 0 to below 2^63.
    """
    seed = whole_number("child_seed", value, 0)
    if seed >= 2**63:
        raise SpecError(f"child_seed is {seed}; it must be below 2^63.")
    return seed


def space_of(kind: type[SomeSpace], space: object) -> SomeSpace:
    """Return a space, or that of a dictionary of its arguments.

    Raises:
        SpecError: it is neither, or of another kind.
    """
    if isinstance(space, kind):
        return space
    if isinstance(space, Mapping):
        return space_from_json(space, kind)
    raise SpecError(f"space is {shown(space)} but must be a {kind.__name__}, or a dict of its arguments.")


def check_evaluator(evaluator: object) -> None:
    """Check that an object is an evaluator.

    Raises:
        SpecError: it is not.
    """
    if isinstance(evaluator, type) or not callable(getattr(evaluator, "submit", None)):
        raise SpecError(
            f"evaluator is {shown(evaluator)} but must be an object with the methods of aen.evaluators.Evaluator, such "
            "as LocalEvaluator(); leave it out for an evaluator of the environment's own."
        )
    submit: Any = evaluator.submit  # type: ignore[attr-defined]
    try:
        signature = inspect.signature(submit)
    except (TypeError, ValueError):  # some functions written in C have none
        return
    try:
        signature.bind([], keep_weights=False)
    except TypeError as error:
        raise SpecError(
            f"evaluator is a {type(evaluator).__name__} whose submit takes {signature}, but is called as "
            "submit(specs, keep_weights=False); give it these arguments."
        ) from error


def check_options(options: object, known: Sequence[str]) -> None:
    """Check the options of a reset.

    Raises:
        SpecError: they are no dictionary, or have an unknown key.
    """
    if options is None:
        return
    if not isinstance(options, Mapping):
        raise SpecError(f"options is {shown(options)} but must be a dict, such as {{'state': [...]}}, or None.")
    for name in options:
        if name not in known:
            raise SpecError(f"options has an unknown key {name!r}{did_you_mean(str(name), known)}.")


def check_seed(seed: object) -> int | None:
    """Return the seed of a reset.

    Raises:
        SeedError: it is neither None nor a whole number from 0 up.
    """
    try:
        return None if seed is None else whole_number("seed", seed, 0)
    except SpecError as error:
        raise SeedError(*error.args) from None


def _scalar(value: Any) -> Any:  # noqa: ANN401 - from outside
    """Return an array without dimensions as a scalar."""
    return value[()] if isinstance(value, np.ndarray) and value.shape == () else value
