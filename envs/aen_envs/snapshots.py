"""Snapshots: a running episode as JSON values, and their validation when they are read."""

import json
from typing import Annotated, Any, Literal, Self, TypeVar, cast

import numpy as np
import pydantic
from pydantic import BaseModel, ConfigDict, Field

from aen._typing import JsonDict
from aen.errors import SpecError
from aen.results import Evaluation

VERSION = 1

Count = Annotated[int, Field(ge=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Bits32 = Annotated[int, Field(ge=0, lt=2**32)]
Bits128 = Annotated[int, Field(ge=0, lt=2**128)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class _Position(_Strict):
    state: Bits128
    inc: Bits128


class _Generator(_Strict):
    bit_generator: Literal["PCG64"]
    state: _Position
    has_uint32: Literal[0, 1]
    uinteger: Bits32


class RandomState(_Strict):
    """The state of a random number generator made by ``reset(seed=)``.

    Attributes:
        seed: the seed with which it was made; -1 if unknown.
        generator: the state of its bit generator.
    """

    seed: int
    generator: _Generator

    def source(self) -> np.random.Generator:
        """Return a random number generator in this state."""
        bits = np.random.PCG64()
        bits.state = cast("Any", self.generator.model_dump())
        return np.random.Generator(bits)


class Snapshot(_Strict):
    """A running episode of any environment.

    Attributes:
        version: version of the format.
        environment: the arguments of the environment; it can be resumed only in one with the same arguments.
        state: a number for each place.
        steps: number of steps of the episode so far.
        baseline: accuracy of the reference child.
        accuracies: accuracies of all children of the episode so far.
        met: names under which the children met before are remembered, sorted.
        random: state of the environment's random number generator; None if it has none yet.
    """

    version: Literal[1]
    environment: JsonDict
    state: list[int]
    steps: Count
    baseline: Fraction
    accuracies: Annotated[list[Fraction], Field(min_length=1)]
    met: list[str]
    random: RandomState | None


class MetChildren(_Strict):
    """What a walk has met; see `aen_envs.evidence.Met`."""

    places: list[Count]
    visits: list[Annotated[int, Field(ge=1)]]
    accuracies: list[Fraction]

    @pydantic.model_validator(mode="after")
    def _goes_together(self) -> Self:
        if not len(self.places) == len(set(self.places)) == len(self.visits) == len(self.accuracies):
            raise ValueError("places, visits and accuracies have different lengths, or a place is there twice")
        return self


class SpaceSnapshot(Snapshot):
    """A running episode of a `SpaceEnv`, in which each step has a child.

    Attributes:
        evidence: what the environment has met; None: it does not observe it.
    """

    evidence: MetChildren | None = None

    @pydantic.model_validator(mode="after")
    def _goes_together(self) -> Self:
        if len(self.accuracies) != self.steps + 1:
            raise ValueError(f"there are {len(self.accuracies)} accuracies after {self.steps} steps")
        return self


class RelaxationSnapshot(Snapshot):
    """A running episode of relaxations.

    Attributes:
        used: number of slices used, not counting that of the start.
        start_parameters: number of parameters of the start's child.
        spec: spec of the current child.
        evaluation: evaluation of the current child.
    """

    used: Count
    start_parameters: Count
    spec: JsonDict
    evaluation: Evaluation

    @pydantic.model_validator(mode="after")
    def _goes_together(self) -> Self:
        if len(self.accuracies) != self.used + 1 or self.used > self.steps:
            raise ValueError(f"{self.used} slices in {self.steps} steps have {len(self.accuracies)} accuracies")
        ends = (self.baseline, self.evaluation.validation_accuracy)
        if (self.accuracies[0], self.accuracies[-1]) != ends:
            raise ValueError(f"accuracies begin and end with others than {ends}")
        return self


Kind = TypeVar("Kind", bound=Snapshot)


def read_snapshot(kind: type[Kind], value: object, environment: JsonDict) -> Kind:
    """Return a snapshot, validated, from the value of its JSON.

    Args:
        kind: the class of the snapshot.
        value: the value.
        environment: the arguments of the environment that resumes it.

    Raises:
        SpecError: the value is damaged, or of another version or environment.
    """
    if isinstance(value, dict):
        version, theirs = value.get("version"), value.get("environment")
        if isinstance(version, int) and version != VERSION:
            raise SpecError(f"snapshot has version {version}, but this program reads {VERSION}; take a new one.")
        if isinstance(theirs, dict):
            _check_same(environment, theirs)
    try:
        return kind.model_validate_json(json.dumps(value))
    except pydantic.ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "the whole"
        raise SpecError(f"snapshot is damaged: {place}: {first['msg']}; take a new one.") from error
    except (TypeError, ValueError, RecursionError) as error:
        raise SpecError(f"snapshot is damaged: {error}; take a new one.") from error


def _check_same(ours: JsonDict, theirs: JsonDict) -> None:
    other = sorted(str(name) for name in {*ours, *theirs} if ours.get(name) != theirs.get(name))
    if other:
        named = ", ".join(f"{name} {theirs.get(name)!r} instead of {ours.get(name)!r}" for name in other)
        raise SpecError(f"snapshot is of an environment with {named}; make this one with the same arguments.")


def random_state(source: np.random.Generator | None, seed: int | None) -> JsonDict | None:
    """Return the state of a random number generator as JSON values.

    Raises:
        SpecError: it is not of the type that ``reset(seed=)`` makes.
    """
    if source is None:
        return None
    state: dict[str, Any] = dict(source.bit_generator.state)
    if state["bit_generator"] != "PCG64":
        raise SpecError(
            f"np_random has the bit generator {state['bit_generator']}, but only PCG64 can be saved; call "
            "reset(seed=), which makes one."
        )
    return {"seed": -1 if seed is None else seed, "generator": state}
