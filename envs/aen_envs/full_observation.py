"""The observations of observe="full": a state, what is known of its factors, and what the walk has met."""

import copy
import math
from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from aen.children import build_child
from aen.errors import DataError, GroupError, SpecError
from aen.groups import as_grid
from aen.spaces import Space, SpaceClass
from aen.symmetry import SymmetryTest
from aen_envs.evidence import Evidence, Met
from aen_envs.listed_states import ListedStates
from aen_envs.symmetry_observation import LARGEST_Z, symmetry_scores

Observations = dict[str, npt.NDArray[Any]]

# Counts and ratios are cut off here: float32 holds whole numbers exactly up to this one.
_LARGEST = 2.0**24
_LARGEST_LOG_ORDER = 64.0


def factor_scores(space: Space, test: SymmetryTest | None, *, look_at_images: bool) -> dict[str, float]:
    """Return the effect size of each symmetry on offer by its name, as far as it is known.

    Args:
        space: the space.
        test: a test of its training images.
        look_at_images: whether the training images are tested if there is no test.

    Raises:
        DataError: the images cannot be loaded or tested.
    """
    factors = space.symmetry_factors()
    if test is None:
        if not (look_at_images and factors):
            return {}
        scores = symmetry_scores(space).tolist()
        return {factor.name: z for factor, z in zip(factors, scores, strict=True)}
    found = {}
    for factor in factors:
        try:
            found[factor.name] = min(max(test.row(factor).z, -LARGEST_Z), LARGEST_Z)
        except GroupError:  # it was not tested
            continue
    return found


def table_scores(space: Space, test: SymmetryTest | None) -> dict[str, float]:
    """Return what `factor_scores` does for a table's space; nothing is known if its images are not at hand."""
    try:
        return factor_scores(space, test, look_at_images=True)
    except DataError:
        return {}


class FullObservation:
    """Makes the observations of several walks through one space.

    Args:
        listed: the states of the space.
        states: the observation space of a state.
        scores: effect sizes of symmetries by their names; see `factor_scores`.
        walks: number of walks.

    Attributes:
        listed: the states of the space.
        evidence: what the walks have met.
        space: the observation space of one walk.
    """

    def __init__(
        self, listed: ListedStates, states: gym.spaces.Space[Any], scores: Mapping[str, float], walks: int = 1
    ) -> None:
        self.listed = listed
        child = listed.space.child_at(listed.space.baseline_state)
        self.evidence = Evidence(walks, listed.class_factors, child.data.validation)
        units = [_unit(listed.space, place, choice) for place, choice in listed.factors]
        rows = [_known(listed.space, unit, scores) for unit in units]
        inclusion = [_factors_of(listed, unit) for unit in units]
        self._constant: Observations = {
            "factor_features": np.array(rows, dtype=np.float32),
            "inclusion": np.array(inclusion, dtype=np.float32),
        }
        factors, classes = len(listed.factors), len(listed.class_keys)
        self.space = gym.spaces.Dict(
            {
                "state": states,
                "factor_features": _box([0, 0, -LARGEST_Z, 0], [_LARGEST, _LARGEST_LOG_ORDER, LARGEST_Z, 1], factors),
                "inclusion": gym.spaces.Box(0, 1, (factors, factors), np.float32),
                "factor_evidence": _box([-1, 0, 0, 0], [1, 1, _LARGEST, _LARGEST], factors),
                "class_evidence": _box([0, 0, 0], [1, 1, _LARGEST], classes),
                "class_met": gym.spaces.MultiBinary(classes),
                "budget": gym.spaces.Box(0, 1, (1,), np.float32),
            }
        )

    def batch(self, states: npt.NDArray[Any], budget: npt.NDArray[np.float64]) -> Observations:
        """Return the observations of all walks, as arrays whose first axis is the walk.

        Args:
            states: of the walks, as the observation space has them.
            budget: the share of the episode's steps that is left to each.
        """
        walks = len(states)
        constant = {name: np.repeat(values[None], walks, axis=0) for name, values in self._constant.items()}
        return {
            "state": states,
            **constant,
            "factor_evidence": self.evidence.of_factors(),
            "class_evidence": self.evidence.of_classes(),
            "class_met": (self.evidence.visits > 0).astype(np.int8),
            "budget": budget[:, None].astype(np.float32),
        }

    def single(self, state: npt.NDArray[Any], budget: float) -> Observations:
        """Return the observation of the only walk."""
        return {name: values[0] for name, values in self.batch(state[None], np.array([budget])).items()}

    def note(self, class_key: str, accuracy: float) -> None:
        """Take a child of the only walk."""
        place = self.listed.place_of_class[class_key]
        self.evidence.note(np.array([0]), np.array([place]), np.array([accuracy]))

    def forget(self) -> None:
        """Forget what the only walk has met."""
        self.evidence.forget(np.array([0]))

    def with_evidence(self, places: list[int], visits: list[int], accuracies: list[float]) -> "FullObservation":
        """Return a copy whose only walk has met other children; see `aen_envs.evidence.Met`.

        Raises:
            SpecError: there is no class at a place.
        """
        if any(place >= len(self.listed.class_keys) for place in places):
            raise SpecError(f"snapshot is damaged: evidence.places: there are {len(self.listed.class_keys)} classes.")
        found = copy.copy(self)
        found.evidence = copy.deepcopy(self.evidence)
        found.evidence.restore(0, Met(places, visits, accuracies))
        return found


def _box(low: Sequence[float], high: Sequence[float], rows: int) -> gym.spaces.Box:
    least, most = (np.tile(np.array(bounds, dtype=np.float32), (rows, 1)) for bounds in (low, high))
    return gym.spaces.Box(least, most, dtype=np.float32)


def _unit(space: Space, place: int, choice: int) -> tuple[int, ...]:
    """Return the state that differs from choice 0 everywhere by one factor."""
    return tuple(choice if each == place else 0 for each in range(len(space.sizes)))


def _factors_of(listed: ListedStates, state: tuple[int, ...]) -> list[float]:
    """Return which factors the child of a state has; its class may not be in the list of classes."""
    key = listed.space.child_at(state).class_key
    if key in listed.place_of_class:
        found: list[float] = listed.class_factors[listed.place_of_class[key]].astype(np.float32).tolist()
        return found
    return [float(state[place] == choice) for place, choice in listed.factors]


def _known(space: Space, state: tuple[int, ...], scores: Mapping[str, float]) -> list[float]:
    """Return what is known of a factor before any training: a row of ``factor_features``."""
    child = space.child_at(state)
    untied = (0,) * len(state)
    ratio = _size(space, state) / _size(space, untied)
    named = {factor.name: factor for factor in space.symmetry_factors()}
    names = [name for name in space.symmetry_of(SpaceClass(child.class_key, state, 1)) if name in named]
    if len(names) != 1:
        return [ratio, 0.0, 0.0, 0.0]
    group = named[names[0]].describe([as_grid(child.grid)])
    z = scores.get(names[0])
    return [ratio, math.log2(group.order or group.at_least), 0.0 if z is None else z, float(z is not None)]


def _size(space: Space, state: tuple[int, ...]) -> float:
    """Return the number of orbits of a state's child, or of its parameters if its layers are not dense."""
    orbits = space.describe_class(SpaceClass(space.child_at(state).class_key, state, 1)).get("orbits")
    if orbits is not None:
        return float(sum(orbits))
    return float(sum(each.numel() for each in build_child(space.child_at(state)).parameters()))
