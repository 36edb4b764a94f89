"""Means over seeds with Student's t intervals, and shares of images with Wilson's."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds and its 95 % confidence interval.

    The interval covers what another draw of the seeds (initial weights, order of the batches) would change; the images
    are the same for all seeds, so it does not cover another draw of the images.

    Attributes:
        mean: the mean.
        low: lower end of the interval; minus infinity for a single value.
        high: upper end.
    """

    mean: float
    low: float
    high: float

    @property
    def interval(self) -> tuple[float, float]:
        """The two ends."""
        return self.low, self.high


def estimate(values: Sequence[float]) -> Estimate:
    """Return the mean of the values and its Student's t interval.

    Raises:
        ValueError: no values.
    """
    n = len(values)
    if n == 0:
        raise ValueError("values is empty; give at least one.")
    mean = math.fsum(values) / n
    if n == 1:
        return Estimate(mean, -math.inf, math.inf)
    from scipy.stats import t

    variance = math.fsum((value - mean) ** 2 for value in values) / (n - 1)
    half = float(t.ppf((1 + CONFIDENCE) / 2, n - 1)) * math.sqrt(variance / n)
    return Estimate(mean, mean - half, mean + half)


def estimate_accuracy(values: Sequence[float]) -> Estimate:
    """Return the mean of accuracies and its interval, cut to [0, 1], in which every accuracy lies."""
    plain = estimate(values)
    return Estimate(plain.mean, max(plain.low, 0.0), min(plain.high, 1.0))


def paired_difference(ours: Sequence[float], theirs: Sequence[float]) -> Estimate:
    """Return the mean of ``ours - theirs`` seed by seed, with its interval; better means that the interval is above 0.

    Raises:
        ValueError: different numbers of values, or none.
    """
    return estimate([a - b for a, b in zip(ours, theirs, strict=True)])


def wilson_interval(hits: int, trials: int) -> tuple[float, float]:
    """Return the 95 % confidence interval of a share by Wilson's score method; within [0, 1] for any share.

    Raises:
        ValueError: no trials.
    """
    if trials < 1:
        raise ValueError("trials is 0; give at least one.")
    z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
    share, spread = hits / trials, z * z / trials
    centre = (share + spread / 2) / (1 + spread)
    half = z * math.sqrt(share * (1 - share) / trials + spread / (4 * trials)) / (1 + spread)
    return max(centre - half, 0.0), min(centre + half, 1.0)
