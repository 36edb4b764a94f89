"""Aggregates over many runs on many tasks: interquartile means, bootstrap intervals, probability of improvement.

The definitions are those of Agarwal et al., Deep Reinforcement Learning at the Edge of the Statistical Precipice
(arXiv 2108.13264), and of its library rliable.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from scipy import stats

from aen.statistics.estimates import CONFIDENCE

FloatArray = npt.NDArray[np.float64]
_TOGETHER = 250  # samples of a bootstrap that are in memory at a time


class Statistic(Protocol):
    """A function of many values, such as `numpy.mean`."""

    def __call__(self, values: FloatArray, /, *, axis: int) -> Any:  # noqa: ANN401 - an array
        """Return the statistic along an axis."""
        ...


def interquartile_mean(values: npt.ArrayLike, axis: int | None = None) -> Any:  # noqa: ANN401 - a number or an array
    """Return the mean of the middle half of the values: a quarter of them is left out at each end.

    With n values, floor(n / 4) are left out at each end.

    Args:
        values: the values.
        axis: along which the means are taken; None: of all values, a number.

    Raises:
        ValueError: there are none.
    """
    ordered = np.sort(np.asarray(values, dtype=np.float64), axis=axis)
    along = -1 if axis is None else axis
    count = ordered.shape[along]
    if not count:
        raise ValueError("values is empty; an interquartile mean needs one at least")
    middle = ordered.take(range(count // 4, count - count // 4), axis=along).mean(axis=along)
    return float(middle) if axis is None else middle


def stratified_bootstrap(
    tasks: Sequence[npt.ArrayLike],
    statistic: Statistic = interquartile_mean,
    *,
    repetitions: int = 2000,
    seed: int = 0,
    confidence: float = CONFIDENCE,
) -> tuple[float, float]:
    """Return the interval of a statistic of all runs, by the bootstrap percentiles.

    Runs are drawn with replacement within each task, so that every task keeps its number of runs.

    Args:
        tasks: the values of the runs of each task; tasks may have different numbers of runs.
        statistic: of all values together; like numpy's, it takes an `axis`.
        repetitions: how many samples are drawn.
        seed: of the draws.
        confidence: of the interval.
    """
    generator = np.random.default_rng(seed)
    arrays = [np.asarray(task, dtype=np.float64) for task in tasks]
    drawn: list[FloatArray] = []
    for start in range(0, repetitions, _TOGETHER):
        size = min(_TOGETHER, repetitions - start)
        sample = [a[generator.integers(len(a), size=(size, len(a)))] for a in arrays]
        drawn.append(statistic(np.concatenate(sample, axis=1), axis=1))
    return _percentiles(np.concatenate(drawn), confidence)


def probability_of_improvement(ours: Sequence[npt.ArrayLike], theirs: Sequence[npt.ArrayLike]) -> float:
    """Return the mean over the tasks of P(X < Y) + P(X = Y) / 2: that a run of ours has a lower value than theirs.

    Args:
        ours: the values of our runs of each task; lower is better.
        theirs: likewise.
    """
    return float(
        np.mean([_below(np.asarray(x, float), np.asarray(y, float)) for x, y in zip(ours, theirs, strict=True)])
    )


def improvement_interval(
    ours: Sequence[npt.ArrayLike],
    theirs: Sequence[npt.ArrayLike],
    *,
    repetitions: int = 2000,
    seed: int = 0,
    confidence: float = CONFIDENCE,
) -> tuple[float, float]:
    """Return the interval of `probability_of_improvement` by the stratified bootstrap; the two draw separately."""
    generator = np.random.default_rng(seed)
    drawn = np.zeros(repetitions)
    for x, y in zip(ours, theirs, strict=True):
        x_values, y_values = np.asarray(x, float), np.asarray(y, float)
        # What one run of ours gains against one of theirs is computed once; a sample only weighs the pairs.
        gain = (x_values[:, None] < y_values) + 0.5 * (x_values[:, None] == y_values)
        n, m = gain.shape
        x_weights = generator.multinomial(n, np.full(n, 1 / n), size=repetitions)
        y_weights = generator.multinomial(m, np.full(m, 1 / m), size=repetitions)
        drawn += ((x_weights @ gain) * y_weights).sum(axis=1) / (n * m)
    return _percentiles(drawn / len(ours), confidence)


def signed_rank_p(ours: npt.ArrayLike, theirs: npt.ArrayLike) -> float:
    """Return the two-sided p-value of Wilcoxon's signed-rank test of paired values; 1 if all pairs are equal."""
    difference = np.asarray(ours, dtype=np.float64) - np.asarray(theirs, dtype=np.float64)
    if not np.any(difference):
        return 1.0
    return float(stats.wilcoxon(difference, zero_method="pratt").pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return the p-values corrected for their number by Holm's method, in their order."""
    order = sorted(range(len(p_values)), key=lambda place: p_values[place])
    corrected, largest = [1.0] * len(p_values), 0.0
    for rank, place in enumerate(order):
        largest = max(largest, min((len(p_values) - rank) * p_values[place], 1.0))
        corrected[place] = largest
    return corrected


def _below(x: FloatArray, y: FloatArray) -> float:
    greater = stats.rankdata(np.concatenate([y, x]))[: len(y)].sum() - len(y) * (len(y) + 1) / 2
    return float(greater / (len(x) * len(y)))


def _percentiles(drawn: FloatArray, confidence: float) -> tuple[float, float]:
    ordered = np.sort(drawn)  # values may be infinite, so that none lies between two of them
    tail = round((1 - confidence) / 2 * (len(ordered) - 1))
    return float(ordered[tail]), float(ordered[-1 - tail])
