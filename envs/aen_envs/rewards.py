"""Rewards of the environments over spaces. All accuracies are fractions in [0, 1]."""

import math
from collections.abc import Callable, Mapping
from typing import Literal

RewardKind = Literal["paper", "delta", "improvement"]


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


REWARDS: Mapping[str, Callable[[float, float, float], float]] = {
    "paper": paper_reward,
    "delta": delta_reward,
    "improvement": improvement_reward,
}
