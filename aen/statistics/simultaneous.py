"""Simultaneous comparisons of networks that were trained on the same seeds and measured on the same images.

The model: whether network k, trained on seed s, is right on image i is

    ``m_k + (effect of the seed) + (effect of the image) + (of both together)``,

with seeds and images drawn at random, each effect its own for every network. The mean difference of two networks then
has two sources of error, and its interval is

    ``difference ± sqrt((c_seeds * error of the seeds)^2 + (c_images * error of the images)^2)``.

The error of the seeds is estimated from the accuracies on the S seeds, pooled over all K networks (the residuals of a
table of networks by seeds), as in Tukey's method, so that ``c_seeds`` is the quantile of the studentised range of K
values with (K - 1)(S - 1) degrees of freedom, by sqrt(2); for two networks it is Student's t. A pair whose own
differences vary more than the pooled error allows (an F test) has its own error, with S - 1 degrees of freedom. The
error of the images is that of a mean over images; ``c_images`` is the quantile of the largest studentised difference of
all pairs over a bootstrap of the images. Both factors are for all pairs at once, so that the best network may be chosen
by the same figures. A network whose variance over the seeds is more than 20 times the median (of few seeds more: 1,500
times of two), as where one of its children diverged, is no part of the pool. What seeds and images do together is part
of the seeds' error and is taken out of the images'.

Some of these networks may be compared on other images that had no part in their choice: `Family(..., chosen_in=...)`.
Their seeds' error is then pooled over the whole family, and its factor is for the choice among all.
"""

import functools
import math
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from aen.statistics.estimates import CONFIDENCE, Estimate

_RESAMPLES = 1000
_SEED = 0
_MOST_AT_ONCE = 4_000_000  # values that are drawn at once, which limits the memory
_TINY = 1e-12
# Times the median variance of a network over the seeds, by the number of seeds: what one of five networks of equal
# variance exceeds in about one of a thousand families. Of few seeds variances differ much by chance.
_OUTLYING = {2: 1500.0, 3: 80.0, 4: 30.0}
_OUTLYING_OF_MORE = 20.0

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Difference:
    """The difference of two networks with its simultaneous interval.

    Attributes:
        estimate: mean and interval, cut to [-1, 1].
        share_of_images: which part of its variance is due to the images; the rest is due to the seeds.
    """

    estimate: Estimate
    share_of_images: float = 0.0


@dataclass(frozen=True)
class Factors:
    """By what the errors are multiplied in the intervals of a family.

    Attributes:
        seeds: the error of the seeds that is pooled over all networks.
        own_seeds: the error of the seeds of one pair.
        images: the error of the images.
    """

    seeds: float
    own_seeds: float
    images: float


class Family:
    """Networks that are compared with each other, all pairs at once.

    Args:
        accuracies: of each network on each seed, shape ``[networks, seeds]``.
        correct: whether each network on each seed is right on each image, shape ``[networks, seeds, images]``. None: it
            is not known, and the intervals cover another draw of the seeds only.
        chosen_in: the family in which these networks were chosen, on other images; None: they were not chosen.

    Raises:
        ValueError: fewer than two seeds, or shapes that do not agree.
    """

    def __init__(
        self, accuracies: Array, correct: NDArray[np.bool_] | None = None, chosen_in: "Family | None" = None
    ) -> None:
        self.accuracies = np.asarray(accuracies, dtype=float)
        self.networks: int = self.accuracies.shape[0]
        self.seeds: int = self.accuracies.shape[1]
        if self.seeds < 2:  # noqa: PLR2004
            raise ValueError(f"accuracies has {self.seeds} seeds; a comparison needs 2 or more.")
        if correct is not None and correct.shape[:2] != self.accuracies.shape:
            raise ValueError(f"correct has shape {correct.shape}, but accuracies {self.accuracies.shape}.")
        self.images = 0 if correct is None else correct.shape[2]
        # By image and network, over the seeds.
        self._right = np.zeros((0, self.networks)) if correct is None else correct.mean(axis=1).T
        self._together = np.zeros((self.networks, self.networks))
        if correct is not None and self.images > 1:
            values = correct - correct.mean(axis=1, keepdims=True) - correct.mean(axis=2, keepdims=True)
            flat = (values + correct.mean(axis=(1, 2), keepdims=True)).reshape(self.networks, -1)
            self._together = flat @ flat.T / ((self.seeds - 1) * (self.images - 1)) / (self.seeds * self.images)
        self._whole: Family = chosen_in or self

    @cached_property
    def factors(self) -> Factors:
        """By what the errors are multiplied; infinite for a single network, which is compared with none."""
        if self.networks < 2:  # noqa: PLR2004
            return Factors(math.inf, math.inf, math.inf)
        return Factors(
            seeds=range_quantile(self._whole.networks, self._degrees),
            own_seeds=range_quantile(self._whole.networks, self.seeds - 1),
            images=bootstrap_quantile(self._right) if self.images > 1 else range_quantile(self.networks, math.inf),
        )

    @property
    def _degrees(self) -> int:
        """Degrees of freedom of the pooled error."""
        return max((len(self._whole.steady) - 1) * (self.seeds - 1), 1)

    @cached_property
    def steady(self) -> Array:
        """The accuracies of the networks over which the error of the seeds is pooled."""
        found = np.var(self.accuracies - np.median(self.accuracies, axis=0), axis=1)
        times = _OUTLYING.get(self.seeds, _OUTLYING_OF_MORE)
        kept = self.accuracies[found <= times * max(float(np.median(found)), _TINY)]
        return kept if len(kept) > 1 else self.accuracies

    @property
    def together(self) -> float:
        """The variance of a mean accuracy on one seed that seeds and images cause together."""
        return float(np.diag(self._together).mean()) * self.seeds

    @cached_property
    def _pooled(self) -> float:
        """The variance of the difference of two accuracies on one seed, pooled over all pairs."""
        values = self._whole.steady
        rest = values - values.mean(axis=0) - values.mean(axis=1, keepdims=True) + values.mean()
        found = 2 * float((rest**2).sum()) / self._degrees
        if self._whole is self or not (self.images and self._whole.images):
            return found
        # What seeds and images do together is smaller, the more images there are.
        together = 2 * self._whole.together
        scale = self._whole.images / self.images
        return max(found + together * (scale - 1), together * scale)

    def _seeds_error(self, differences: Array) -> tuple[float, float]:
        """Return the error of the mean difference that is due to the seeds, and its factor."""
        from scipy.stats import f  # scipy.stats takes half a second to import

        own = float(np.var(differences, ddof=1))
        if own > self._pooled * float(f.ppf(CONFIDENCE, self.seeds - 1, self._degrees)):
            return math.sqrt(own / self.seeds), self.factors.own_seeds
        return math.sqrt(self._pooled / self.seeds), self.factors.seeds

    def _images_error(self, ours: int, theirs: int) -> float:
        """Return the error of the mean difference that is due to the images alone."""
        if self.images < 2:  # noqa: PLR2004
            return float(self.images)  # of one image nothing is known
        whole = float(np.var(self._right[:, ours] - self._right[:, theirs], ddof=1)) / self.images
        together = self._together
        shared = together[ours, ours] + together[theirs, theirs] - 2 * together[ours, theirs]
        # Not below one image in all: networks that agree on every image may differ on the next.
        return math.sqrt(max(whole - float(shared), 1 / self.images**2))

    def difference(self, ours: int, theirs: int) -> Difference:
        """Return how much better one network is than another, with an interval that holds for all pairs at once."""
        if ours == theirs:
            return Difference(Estimate(0.0, 0.0, 0.0))
        differences = self.accuracies[ours] - self.accuracies[theirs]
        mean = float(differences.mean())
        of_seeds, factor = self._seeds_error(differences)
        of_images = self._images_error(ours, theirs)
        half = math.hypot(factor * of_seeds, self.factors.images * of_images if of_images else 0.0)
        variance = of_seeds**2 + of_images**2
        return Difference(
            Estimate(mean, max(mean - half, -1.0), min(mean + half, 1.0)), of_images**2 / variance if variance else 0.0
        )

    def not_told_from_best(self) -> list[int]:
        """Return the networks that are not worse than the best one beyond the interval, the best one first.

        The network whose true accuracy is highest is among them with the confidence of the intervals.
        """
        order = sorted(range(self.networks), key=lambda place: -float(self.accuracies[place].mean()))
        return [place for place in order if self.difference(order[0], place).estimate.low <= 0]


@functools.cache
def range_quantile(networks: int, degrees_of_freedom: float) -> float:
    """Return the 95 % quantile of the largest of all studentised differences of independent means (Tukey's)."""
    from scipy.stats import studentized_range  # scipy.stats takes half a second to import

    return float(studentized_range.ppf(CONFIDENCE, networks, degrees_of_freedom)) / math.sqrt(2)


def bootstrap_quantile(values: Array) -> float:
    """Return the 95 % quantile of the largest of all studentised differences of means, over a bootstrap of the rows.

    Args:
        values: shape ``[rows, columns]``; the means are those of the columns.
    """
    rows, columns = values.shape
    # Equal rows are drawn together.
    values, counts = np.unique(values, axis=0, return_counts=True)
    source = np.random.default_rng(_SEED)
    share = counts / rows
    centred = values - share @ values
    pairs = [(i, j) for i, j in combinations(range(columns), 2) if np.ptp(centred[:, i] - centred[:, j]) > _TINY]
    if not pairs:
        return range_quantile(columns, math.inf)
    left, right = (np.array(places) for places in zip(*pairs, strict=True))
    scale = np.sqrt(share @ (centred[:, left] - centred[:, right]) ** 2 / rows)
    largest = []
    for count in np.diff(np.unique(np.r_[0 : _RESAMPLES : max(_MOST_AT_ONCE // len(values), 1), _RESAMPLES])):
        weights = source.multinomial(rows, share, size=count)
        means = weights @ centred / rows
        largest.append(np.abs((means[:, left] - means[:, right]) / scale).max(axis=1))
    return float(np.quantile(np.concatenate(largest), CONFIDENCE))
