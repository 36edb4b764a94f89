"""Race: classes trained on different numbers of seeds, compared with each other."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

_FEWEST_DEGREES = 5  # of freedom of the noise, before it is used


@dataclass(frozen=True)
class Race:
    """Accuracies of classes, of which some are known on more seeds than others.

    The model is ``accuracy = class + seed + noise``: what all classes have in common on a seed, such as the order of
    the batches, does not count, and the noise has one variance, which is estimated from all classes together, since
    each has few seeds.

    Attributes:
        means: each class's mean with the effects of its seeds taken away.
        counts: number of seeds of each class.
        noise: standard deviation of the noise; None: there are too few classes on several seeds to tell.
        degrees: degrees of freedom of `noise`.
        guess: standard deviation to expect of the noise, while it is not known.
    """

    means: Mapping[str, float]
    counts: Mapping[str, int]
    noise: float | None
    degrees: int
    guess: float

    @classmethod
    def of(cls, accuracies: Mapping[str, Sequence[float]], images: int) -> "Race":
        """Estimate the effects by least squares.

        Args:
            accuracies: of each class on the first seeds, one or more; all classes have the same order of the seeds.
            images: number of images on which they were measured.
        """
        if not accuracies:
            return cls({}, {}, None, 0, 0.0)
        keys, counts = list(accuracies), np.array([len(values) for values in accuracies.values()])
        seeds = int(counts.max())
        values, known = np.zeros((len(keys), seeds)), np.arange(seeds) < counts[:, None]
        for row, own in zip(values, accuracies.values(), strict=True):
            row[: len(own)] = own
        # The effects of the seeds by the normal equations, after the classes' means were taken away from both sides.
        weights = known / counts[:, None]
        normal = np.diag(known.sum(0)) - known.T @ weights
        right = values.sum(0) - known.T @ (values.sum(1) / counts)
        effects = np.linalg.lstsq(normal, right, rcond=None)[0]
        means = (values - known * effects).sum(1) / counts
        residuals = known * (values - effects - means[:, None])
        degrees = int(counts.sum()) - len(keys) - seeds + 1
        noise = math.sqrt(float((residuals**2).sum()) / degrees) if degrees >= _FEWEST_DEGREES else None
        return cls(
            dict(zip(keys, means.tolist(), strict=True)),
            dict(zip(keys, counts.tolist(), strict=True)),
            noise,
            max(degrees, 0),
            math.sqrt(max(float(means.mean()) * (1 - float(means.mean())), 0.0) / images),
        )

    def expected(self) -> dict[str, float]:
        """Return the accuracy to expect of each class: its mean, drawn to that of all, the fewer seeds the more.

        It is the posterior mean if the classes' accuracies are normally distributed (empirical Bayes).
        """
        noise = self.guess if self.noise is None else self.noise
        if not noise or len(self.means) == 1:
            return dict(self.means)
        means = np.array(list(self.means.values()))
        errors = noise**2 / np.array([self.counts[key] for key in self.means])
        centre, between = float(means.mean()), max(float(means.var(ddof=1) - errors.mean()), 0.0)
        drawn = centre + between / (between + errors) * (means - centre)
        return dict(zip(self.means, drawn.tolist(), strict=True))

    def behind(self, level: float) -> set[str]:
        """Return the classes that are worse than another one.

        They are the result of multiple comparisons with the best: one-sided t-tests of every class against every other
        one, by Bonferroni's inequality at one level together, so that the best class is among those returned with a
        probability of at most `level`. None is returned before the noise is known.

        Args:
            level: that probability.
        """
        if self.noise is None or len(self.means) == 1:
            return set()
        from scipy.stats import t  # it takes a part of a second

        critical = float(t.isf(level / (len(self.means) - 1), self.degrees))
        means = np.array(list(self.means.values()))
        inverse = 1 / np.array([self.counts[key] for key in self.means])
        errors = self.noise * np.sqrt(inverse[:, None] + inverse[None, :])
        worse = ((means[None, :] - means[:, None]) > critical * errors).any(axis=1)
        return {key for key, is_worse in zip(self.means, worse.tolist(), strict=True) if is_worse}
