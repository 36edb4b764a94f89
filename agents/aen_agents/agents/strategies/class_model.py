"""ClassModel: a Gaussian process over the classes of a space, which says what accuracy to expect of each."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import sqrt

import numpy as np
from scipy.linalg import solve_triangular
from scipy.linalg.lapack import dpotrf, dpotrs

from aen_agents.agents.strategies.features import FloatArray, IntArray, SpaceFeatures

_FEWEST = 4  # classes known, before the scale is fitted
_MOST_KEPT = 1_000  # classes of which all covariances are kept
_SCALES = (0.5, 16.0)  # the smallest and the largest scale


@dataclass(frozen=True)
class Prior:
    """What the model believes before anything is trained, in units of accuracy (0.01 is one point).

    The values were chosen on the training tables of `aen.bench`.

    Attributes:
        per_contradiction: expected change of accuracy by each unit of `SpaceFeatures.evidence`.
        per_tie: expected change by each halving of the number of weights.
        slopes: standard deviation of both around these values.
        similar: standard deviation of what classes with similar choices have in common.
        length: number of choices over which this decreases to 1/e.
        own: standard deviation of what a class has for itself.
        level: standard deviation of the mean accuracy of the space.
        noise: variance of a seed, in units of p (1 - p) / images: all classes have the same validation images.
    """

    per_contradiction: float = -0.004
    per_tie: float = 0.006
    slopes: float = 0.006
    similar: float = 0.02
    length: float = 2.0
    own: float = 0.008
    level: float = 0.3
    noise: float = 0.25


@dataclass(frozen=True)
class Posterior:
    """What the model believes of all classes, arrays of shape ``[classes]``.

    Attributes:
        mean: expected accuracy over the seeds.
        deviation: standard deviation of this expectation.
        covariance: of the classes, shape ``[classes, classes]``; None: it was not asked for.
    """

    mean: FloatArray
    deviation: FloatArray
    covariance: FloatArray | None = None


class ClassModel:
    """Accuracy of a class = level + slopes * (evidence, ties) + similar + own + noise of a seed, each part normal.

    All deviations and expected changes of the prior are multiplied by one scale. Once a few classes are known it is the
    one with which the model has the variance that the accuracies have (empirical Bayes).

    Args:
        features: of the space.
        evidence: how strongly the images contradict each class, see `SpaceFeatures.evidence`.
        images: number of validation images.
        prior: what is believed before anything is trained.
    """

    def __init__(self, features: SpaceFeatures, evidence: FloatArray, images: int, prior: Prior | None = None) -> None:
        self.features, self.images, self.prior = features, images, prior or Prior()
        self._linear = np.stack([evidence, features.ties], axis=1)
        self._trend: FloatArray = self._linear @ np.array([self.prior.per_contradiction, self.prior.per_tie])

    @property
    def trend(self) -> FloatArray:
        """The expected accuracy of each class before anything is trained, up to a constant; shape ``[classes]``."""
        return self._trend

    def expected(self, places: Sequence[int], means: Sequence[float], counts: Sequence[int]) -> FloatArray:
        """Return the expected accuracy of the classes trained.

        Args:
            places: of the classes trained.
            means: their mean accuracies.
            counts: on how many seeds each was trained.
        """
        rows, values, errors = self._known(places, means, counts)
        between = self._kernel(rows, rows)
        scale, level, _, solved = self._fit(rows, between, values, errors)
        found: FloatArray = scale * self._trend[rows] + scale**2 * (between @ solved) + level
        return found

    def posterior(
        self, places: Sequence[int], means: Sequence[float], counts: Sequence[int], *, covariance: bool = False
    ) -> Posterior:
        """Return what is believed of all classes; see `expected` for the arguments.

        Args:
            places: of the classes trained.
            means: their mean accuracies.
            counts: on how many seeds each was trained.
            covariance: whether to compute it.
        """
        rows, values, errors = self._known(places, means, counts)
        kernel = self._kernel(rows)
        scale, level, factor, solved = self._fit(rows, kernel[:, rows], values, errors)
        mean = scale * self._trend + scale**2 * (kernel.T @ solved) + level
        half = kernel
        if len(rows):
            half = scale**2 * solve_triangular(factor, kernel, lower=True, check_finite=False)
        if not covariance:
            return Posterior(mean, np.sqrt(np.maximum(scale**2 * self._variances - (half**2).sum(0), 0)))
        full = scale**2 * self._kernel(np.arange(len(self.features.classes))) - half.T @ half
        return Posterior(mean, np.sqrt(np.maximum(np.diag(full), 0)), full)

    @property
    def _variances(self) -> FloatArray:
        prior = self.prior
        constant = prior.level**2 + prior.similar**2 + prior.own**2
        found: FloatArray = constant + prior.slopes**2 * (self._linear**2).sum(1)
        return found

    def _known(
        self, places: Sequence[int], means: Sequence[float], counts: Sequence[int]
    ) -> tuple[IntArray, FloatArray, FloatArray]:
        level = min(max(sum(means) / len(means), 0.05), 0.95) if means else 0.5
        noise = self.prior.noise * level * (1 - level) / self.images
        return np.array(places, dtype=np.int64), np.array(means, dtype=np.float64), noise / np.array(counts)

    def _kernel(self, rows: IntArray, columns: IntArray | None = None) -> FloatArray:
        """Return the prior covariance of some classes with others (None: with all), shape ``[rows, columns]``."""
        if len(self.features.classes) > _MOST_KEPT:
            return self._covariance(rows, columns)
        return self._kept[rows] if columns is None else self._kept[rows[:, None], columns]

    @cached_property
    def _kept(self) -> FloatArray:
        return self._covariance(np.arange(len(self.features.classes)), None)

    def _covariance(self, rows: IntArray, columns: IntArray | None) -> FloatArray:
        prior = self.prior
        every = np.arange(len(self.features.classes)) if columns is None else columns
        kernel = prior.similar**2 * np.exp(self.features.distances(rows, columns) / -prior.length)
        kernel += prior.slopes**2 * (self._linear[rows] @ self._linear[every].T) + prior.level**2
        kernel += prior.own**2 * (rows[:, None] == every)
        found: FloatArray = kernel
        return found

    def _fit(
        self, rows: IntArray, between: FloatArray, values: FloatArray, errors: FloatArray
    ) -> tuple[float, float, FloatArray, FloatArray]:
        """Return the scale, the level, the Cholesky factor of the covariance of what is known, and its weights."""
        count = len(rows)
        if not count:
            return 1.0, 0.5, np.zeros((0, 0)), np.zeros(0)
        scale, trend = 1.0, self._trend[rows]
        mean, mean_trend = float(values.sum()) / count, float(trend.sum()) / count
        if count >= _FEWEST:
            spread = float(between.trace()) - float(between.sum()) / count + _squares(trend - mean_trend)
            excess = _squares(values - mean) - float(errors.sum()) * (count - 1) / count
            scale = min(max(sqrt(max(excess, 0.0) / spread), _SCALES[0]), _SCALES[1])
        level = mean - scale * mean_trend
        covariance = scale**2 * between
        diagonal = np.arange(count)
        covariance[diagonal, diagonal] += errors
        factor, _ = dpotrf(covariance, lower=1)
        solved, _ = dpotrs(factor, values - scale * trend - level, lower=1)
        return scale, level, factor, solved


def _squares(values: FloatArray) -> float:
    return float(values @ values)
