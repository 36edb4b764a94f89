"""Means over seeds with intervals, and comparisons of several networks at once."""

from aen.statistics.estimates import (
    CONFIDENCE,
    Estimate,
    estimate,
    estimate_accuracy,
    paired_difference,
    wilson_interval,
)
from aen.statistics.simultaneous import Difference, Factors, Family

__all__ = [
    "CONFIDENCE",
    "Difference",
    "Estimate",
    "Factors",
    "Family",
    "estimate",
    "estimate_accuracy",
    "paired_difference",
    "wilson_interval",
]
