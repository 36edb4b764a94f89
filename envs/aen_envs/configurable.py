"""ConfigurableEnv: an environment that can be made again from its arguments, and copied."""

import copy
import inspect
import json
import pickle
from abc import ABCMeta
from collections.abc import Mapping
from dataclasses import fields
from inspect import Parameter
from os import PathLike, fspath
from typing import Any, Self, SupportsIndex, TypeVar

import gymnasium as gym
import numpy as np
from gymnasium.envs.registration import EnvSpec
from gymnasium.vector import AutoresetMode

from aen._fields import shown
from aen.children import ChildSpec, TrainingSpec
from aen.data import DataSpec
from aen.errors import SpecError, did_you_mean
from aen.evaluators import Evaluator
from aen.evaluators.pickling import check_picklable
from aen.groups import Alphabet, Decomposition, Factor
from aen.spaces import Space, space_to_json

Observation = TypeVar("Observation")
Action = TypeVar("Action")
_NAMED = (Parameter.KEYWORD_ONLY, Parameter.VAR_KEYWORD)


class ConfigurableMeta(ABCMeta):
    """The class of environment classes: it checks the names of arguments, and accepts them in one dictionary."""

    @property
    def __signature__(cls) -> inspect.Signature:
        """The signature of the constructor, which `__call__` would hide."""
        found = inspect.signature(cls.__init__)  # type: ignore[misc]
        return found.replace(parameters=[*found.parameters.values()][1:])

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - an environment
        """Make an environment from arguments, or from a dictionary of them, as RLlib does it.

        Raises:
            SpecError: there is no argument of a name.
        """
        known = cls.__signature__.parameters.values()
        if len(args) == 1 and isinstance(args[0], Mapping) and all(each.kind in _NAMED for each in known):
            return cls(**{str(name): value for name, value in args[0].items()} | kwargs)
        names = [each.name for each in known]
        for name, value in kwargs.items():
            if name not in names and all(each.kind != Parameter.VAR_KEYWORD for each in known):
                near = did_you_mean(str(name), names)
                raise SpecError(f"{name} is {shown(value)} but {cls.__name__} has no argument {name!r}{near}.")
        return super().__call__(*args, **kwargs)


class Arguments(dict[str, Any]):
    """The arguments in the spec of an environment: JSON values, and objects that copies of the spec share."""

    def __deepcopy__(self, memo: dict[int, Any]) -> "Arguments":
        return Arguments({name: _copy_containers(value) for name, value in self.items()})


class PlainSpec(EnvSpec):
    """The spec of an environment whose arguments are JSON values where they can be."""

    def to_json(self) -> str:
        """Return the spec as JSON, which `EnvSpec.from_json` reads.

        Raises:
            SpecError: an argument has no JSON form, such as an evaluator or a function.
        """
        for name, value in self.kwargs.items():
            try:
                json.dumps(value)
            except (TypeError, ValueError) as error:
                raise SpecError(
                    f"{name} is {shown(value)} which has no JSON form; remove it from spec.kwargs, and pass it again: "
                    f"EnvSpec.from_json(text).make({name}=...)."
                ) from error
        return super().to_json()


class HasPlainSpec:
    """A class with the attribute `spec` of Gymnasium's environments, whose arguments become JSON values."""

    _spec: EnvSpec | None = None

    @property
    def spec(self) -> EnvSpec | None:
        """How Gymnasium made the environment; None if it did not.

        Its `kwargs` hold children, spaces, alphabets and paths as JSON values, so that `to_json` works. Evaluators and
        functions stay what they are, and copies of the spec share them.
        """
        return self._spec

    @spec.setter
    def spec(self, spec: EnvSpec | None) -> None:
        if spec is not None:
            values = {field.name: getattr(spec, field.name) for field in fields(spec) if field.init}
            spec = PlainSpec(**(values | {"kwargs": Arguments(to_plain(spec.kwargs))}))
        self._spec = spec


class ConfigurableEnv(HasPlainSpec, gym.Env[Observation, Action], metaclass=ConfigurableMeta):
    """Base class of environments that can be made again from their arguments, and copied.

    ``copy.deepcopy`` of an environment returns one with the same episode that shares the evaluator, so that what one of
    them has trained the other looks up, and the space.
    """

    evaluator: Evaluator
    space: Any = None
    # The argument `reward`, where there is one.
    reward: Any = None

    def __copy__(self) -> Self:
        """Return a copy with an episode of its own."""
        return copy.deepcopy(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Return a copy with an episode of its own that shares the evaluator and functions."""
        memo[id(self.evaluator)] = self._copied_evaluator()
        memo |= {id(each): each for each in (self.space, self.reward)}
        copied = type(self).__new__(type(self))
        memo[id(self)] = copied
        state = copy.deepcopy(self.__getstate__(), memo)
        restore: Any = getattr(copied, "__setstate__", copied.__dict__.update)
        restore(state)
        return copied

    def __reduce_ex__(self, protocol: SupportsIndex) -> str | tuple[Any, ...]:
        """Pickle the environment, with its evaluator.

        Raises:
            SpecError: the evaluator cannot be pickled.
        """
        if Evaluator not in type(self.evaluator).__mro__:  # those check themselves
            check_picklable(self.evaluator, self.evaluator)
        return super().__reduce_ex__(protocol)

    def _copied_evaluator(self) -> Evaluator:
        """Return the evaluator of a copy of this environment."""
        return self.evaluator


def independent_copy(evaluator: Evaluator) -> Evaluator:
    """Return a copy of an evaluator; `copy.deepcopy` would return the evaluator itself."""
    copied: Evaluator = pickle.loads(pickle.dumps(evaluator))  # noqa: S301 - it was made here
    return copied


def to_plain(value: Any) -> Any:  # noqa: ANN401 - of any argument
    """Return an argument as JSON values where it can be, and otherwise as it is."""
    if isinstance(value, ChildSpec | DataSpec | TrainingSpec | Alphabet | Decomposition | Factor):
        return to_plain(value.to_json())
    if isinstance(value, Space):
        return to_plain(space_to_json(value)) or value
    if isinstance(value, Mapping):
        return {name: to_plain(content) for name, content in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(content) for content in value]
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    plain = fspath(value) if isinstance(value, PathLike) else value
    return plain.value if isinstance(plain, AutoresetMode) else plain


def _copy_containers(value: Any) -> Any:  # noqa: ANN401 - of any argument
    if isinstance(value, dict):
        return {name: _copy_containers(content) for name, content in value.items()}
    return [_copy_containers(content) for content in value] if isinstance(value, list) else value
