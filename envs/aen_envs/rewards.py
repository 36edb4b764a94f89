"""Rewards of the environments over spaces. All accuracies are fractions in [0, 1]."""

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from aen._fields import shown
from aen.errors import SpecError, did_you_mean

RewardKind = Literal["paper", "delta", "improvement", "accuracy"]
# A reward of the user's: called with the accuracy of the new state, that of the reference child and that of the state
# before, in this order, it returns a finite number.
RewardFunction = Callable[[float, float, float], float]


def paper_reward(accuracy: float, baseline: float, previous: float) -> float:
    """Return ``(a - a0) exp(|a - a0|)`` with a0 the reference child's accuracy (AEN, arXiv 2104.04848)."""
    del previous
    difference = accuracy - baseline
    return difference * math.exp(abs(difference))


def delta_reward(accuracy: float, baseline: float, previous: float) -> float:
    """Return the gain over the reference child."""
    del previous
    return accuracy - baseline


def improvement_reward(accuracy: float, baseline: float, previous: float) -> float:
    """Return the gain over the state before; the rewards of an episode add up to its total gain."""
    del baseline
    return accuracy - previous


def accuracy_reward(accuracy: float, baseline: float, previous: float) -> float:
    """Return the validation accuracy itself."""
    del baseline, previous
    return accuracy


REWARDS: Mapping[str, RewardFunction] = {
    "paper": paper_reward,
    "delta": delta_reward,
    "improvement": improvement_reward,
    "accuracy": accuracy_reward,
}


@dataclass(frozen=True)
class CheckedReward:
    """A reward function of the user's whose results are checked.

    Attributes:
        function: the function.
    """

    function: RewardFunction

    def __call__(self, accuracy: float, baseline: float, previous: float) -> float:
        """Return the reward.

        Raises:
            SpecError: the function raised an exception, or returned no finite number.
        """
        values = f"accuracy={accuracy:.6g}, baseline={baseline:.6g}, previous={previous:.6g}"
        try:
            value = self.function(accuracy, baseline, previous)
        except Exception as error:
            what = f"{type(error).__name__}: {error}"
            raise SpecError(f"reward {reward_name(self.function)} failed for {values}: {what}.") from error
        number = _as_float(value)
        if number is None or not math.isfinite(number):
            raise SpecError(
                f"reward {reward_name(self.function)} returned {shown(value)} for {values}; it must return a finite "
                "number."
            )
        return number


def find_reward(reward: object) -> RewardFunction:
    """Return the function of the argument `reward`.

    Args:
        reward: the name of a reward, or a function of accuracy, baseline and previous accuracy.

    Raises:
        SpecError: it is neither.
    """
    if isinstance(reward, str) and reward in REWARDS:
        return REWARDS[reward]
    if not callable(reward):
        raise SpecError(
            f"unknown reward {reward!r}{did_you_mean(str(reward), REWARDS)}; or give a function "
            "reward(accuracy, baseline, previous)."
        )
    try:
        signature = inspect.signature(reward)
    except (TypeError, ValueError):  # some functions written in C have none
        return CheckedReward(reward)
    try:
        signature.bind(0.0, 0.0, 0.0)
    except TypeError as error:
        raise SpecError(
            f"reward {reward_name(reward)} takes {signature}, but is called with the accuracies of the new state, of "
            "the baseline and of the state before; give a function reward(accuracy, baseline, previous)."
        ) from error
    return CheckedReward(reward)


def reward_name(reward: object) -> str:
    """Return the name of a reward, or the module and name of a function."""
    if isinstance(reward, str):
        return reward
    named = reward if hasattr(reward, "__qualname__") else type(reward)
    return f"{named.__module__}.{named.__qualname__}"


def _as_float(value: object) -> float | None:
    """Return a number, also an array or tensor without dimensions, as a float; None if it is none."""
    if isinstance(value, bool | np.bool_ | str | bytes | complex | np.complexfloating) or getattr(value, "shape", None):
        return None
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, RuntimeError):
        return None
