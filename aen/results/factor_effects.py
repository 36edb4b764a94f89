"""Effects of the factors of a space on the accuracies of a search: an additive model fitted by least squares."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, combinations
from typing import Self

import numpy as np

from aen._typing import JsonDict
from aen.statistics import CONFIDENCE, Estimate

RESAMPLES = 200
MOST_FACTORS = 12  # all their sets are fitted, 4,096 of them
_TOLERANCE = 1e-9


@dataclass(frozen=True)
class FactorEffect:
    """What a level adds to the accuracy, compared with its factor's reference level.

    Attributes:
        factor: name of the factor.
        level: name of the level.
        children: how many children had it.
        effect: with its t interval; None: it cannot be told from others.
        entangled: what it cannot be told from, such as ``group D4``; ``all else`` is what all children have alike.
    """

    factor: str
    level: str
    children: int
    effect: Estimate | None
    entangled: tuple[str, ...] = ()


@dataclass(frozen=True)
class FactorShare:
    """How much of the variance of the accuracies is a factor's.

    Attributes:
        factor: name of the factor.
        share: what R^2 gains by the factor, averaged over all orders in which the factors can be added (Shapley's
            value; Lindeman, Merenda and Gold, 1980), with its bootstrap interval. The shares add up to R^2.
        left_out: what R^2 loses if this factor alone is left out: its type-III sum of squares by the total one.
    """

    factor: str
    share: Estimate
    left_out: float


@dataclass(frozen=True)
class FactorAnalysis:
    """An additive model of the accuracies: the reference's, plus one effect for each factor's level.

    Attributes:
        children: how many accuracies there were.
        reference: level of each factor by which its other levels are measured.
        effects: of each level met, other than the references.
        shares: of each factor; empty without degrees of freedom, or where all children are equally accurate.
        explained: R^2 of the model.
        residual: standard deviation of what is left, with the degrees of freedom taken into account; interactions
            between factors and the luck of the seed are in it alike. NaN without any.
        degrees_of_freedom: children less free parameters.
    """

    children: int
    reference: Mapping[str, str]
    effects: tuple[FactorEffect, ...]
    shares: tuple[FactorShare, ...]
    explained: float
    residual: float
    degrees_of_freedom: int

    def to_json(self) -> JsonDict:
        """Return JSON values; None stands for what is unknown."""
        return {
            "children": self.children,
            "degrees_of_freedom": self.degrees_of_freedom,
            "explained": self.explained,
            "residual": _finite(self.residual),
            "reference": dict(self.reference),
            "effects": [
                {
                    "factor": e.factor,
                    "level": e.level,
                    "children": e.children,
                    "effect": None if e.effect is None else e.effect.mean,
                    "interval": None if e.effect is None else [_finite(end) for end in e.effect.interval],
                    "entangled": list(e.entangled),
                }
                for e in self.effects
            ],
            "shares": [
                {
                    "factor": s.factor,
                    "share": s.share.mean,
                    "interval": list(s.share.interval),
                    "left_out": s.left_out,
                }
                for s in self.shares
            ],
        }

    @classmethod
    def from_json(cls, value: JsonDict) -> Self:
        """Read what `to_json` wrote."""
        residual = value["residual"]
        return cls(
            children=value["children"],
            reference=dict(value["reference"]),
            effects=tuple(
                FactorEffect(
                    factor=e["factor"],
                    level=e["level"],
                    children=e["children"],
                    effect=None if e["effect"] is None else _estimate(e["effect"], e["interval"]),
                    entangled=tuple(e["entangled"]),
                )
                for e in value["effects"]
            ),
            shares=tuple(
                FactorShare(s["factor"], _estimate(s["share"], s["interval"]), s["left_out"]) for s in value["shares"]
            ),
            explained=value["explained"],
            residual=math.nan if residual is None else residual,
            degrees_of_freedom=value["degrees_of_freedom"],
        )


def _estimate(mean: float, interval: Sequence[float | None]) -> Estimate:
    """Return an estimate read from JSON, where None stands for an infinite end of the interval."""
    low, high = interval
    return Estimate(mean, -math.inf if low is None else low, math.inf if high is None else high)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


@dataclass(frozen=True)
class _Column:
    """A column of the design: 1 where a child has the level."""

    factor: str
    level: str

    @property
    def name(self) -> str:
        return f"{self.factor} {self.level}"


def analyse_factors(
    levels: Sequence[Mapping[str, str]],
    accuracies: Sequence[float],
    reference: Mapping[str, str],
    *,
    seed: int,
    resamples: int = RESAMPLES,
    shares: bool = True,
) -> FactorAnalysis:
    """Fit the accuracies of children by the levels of their factors.

    Args:
        levels: of each child, its level of each factor.
        accuracies: of each child.
        reference: the level of each factor by which the others are measured.
        seed: of the bootstrap.
        resamples: of the bootstrap, which draws children with replacement.
        shares: whether the factors' shares are computed, which takes seconds for twelve factors.

    Raises:
        ValueError: no children, as many accuracies as not, or more than `MOST_FACTORS` factors.
    """
    if not levels or len(levels) != len(accuracies) or (shares and len(reference) > MOST_FACTORS):
        raise ValueError(
            f"{len(levels)} children with {len(accuracies)} accuracies and {len(reference)} factors; give an accuracy "
            f"for each of one child or more, and {MOST_FACTORS} factors or fewer."
        )
    columns = [
        _Column(factor, level)
        for factor, base in reference.items()
        for level in dict.fromkeys(child[factor] for child in levels)
        if level != base
    ]
    design = np.array([[float(child[c.factor] == c.level) for c in columns] for child in levels])
    design = design.reshape(len(levels), len(columns))
    values = np.array(accuracies, dtype=float)
    effects, explained, residual, free = _effects(design, values, columns)
    # By the order of the factors and, within one, as the levels were met.
    return FactorAnalysis(
        children=len(levels),
        reference=dict(reference),
        effects=tuple(effects),
        shares=tuple(_shares(design, values, columns, tuple(reference), free=free, seed=seed, resamples=resamples))
        if shares
        else (),
        explained=explained,
        residual=residual,
        degrees_of_freedom=free,
    )


def _effects(
    design: np.ndarray, values: np.ndarray, columns: Sequence[_Column]
) -> tuple[list[FactorEffect], float, float, int]:
    """Return the effects, R^2, the residual standard deviation and the degrees of freedom."""
    from scipy.stats import t

    full = np.column_stack([np.ones(len(values)), design])
    _, singular, right = np.linalg.svd(full, full_matrices=True)
    rank = int((singular > _TOLERANCE * singular[0] * max(full.shape)).sum())
    coefficients = np.linalg.lstsq(full, values, rcond=_TOLERANCE)[0]
    squares = float(((values - full @ coefficients) ** 2).sum())
    total = float(((values - values.mean()) ** 2).sum())
    free = len(values) - rank
    variance = squares / free if free else math.nan
    spread = (right[:rank].T / singular[:rank]) ** 2
    errors = np.sqrt(spread.sum(axis=1) * variance)
    # What the null space mixes cannot be told apart: the projection onto it falls into blocks, whatever its basis.
    null = right[rank:].T @ right[rank:]
    factor = float(t.ppf((1 + CONFIDENCE) / 2, free)) if free else math.nan
    names = ["all else", *(column.name for column in columns)]
    effects = []
    for place, column in enumerate(columns, start=1):
        mean, half = float(coefficients[place]), factor * float(errors[place])
        known = Estimate(mean, mean - half, mean + half) if free else Estimate(mean, -math.inf, math.inf)
        block = [names[other] for other in _block(null, place) if other != place]
        lost = null[place, place] > _TOLERANCE
        count = int(design[:, place - 1].sum())
        effects.append(
            FactorEffect(column.factor, column.level, count, None if lost else known, tuple(block if lost else ()))
        )
    explained = 1 - squares / total if total > _TOLERANCE**2 else 0.0
    return effects, explained, math.sqrt(variance) if free else math.nan, free


def _block(projection: np.ndarray, start: int) -> list[int]:
    """Return the places that are linked to one by entries of a matrix that are not zero."""
    found, new = {start}, [start]
    while new:
        place = new.pop()
        for other in np.flatnonzero(np.abs(projection[place]) > _TOLERANCE).tolist():
            if other not in found:
                found.add(other)
                new.append(other)
    return sorted(found)


def _shares(
    design: np.ndarray,
    values: np.ndarray,
    columns: Sequence[_Column],
    factors: Sequence[str],
    *,
    free: int,
    seed: int,
    resamples: int,
) -> Iterator[FactorShare]:
    if not free or np.ptp(values) < _TOLERANCE:
        return
    members = [[place for place, column in enumerate(columns) if column.factor == factor] for factor in factors]
    draws = np.random.default_rng(seed).integers(len(values), size=(resamples, len(values)))
    drawn = np.concatenate([np.arange(len(values))[None], draws])
    explained = _explained_by_sets(design[drawn], values[drawn], members)
    everything = frozenset(range(len(factors)))
    for place, factor in enumerate(factors):
        gains = np.zeros(len(drawn))
        for chosen in map(frozenset, _subsets(sorted(everything - {place}))):
            gains += (explained[chosen | {place}] - explained[chosen]) / (
                len(factors) * math.comb(len(factors) - 1, len(chosen))
            )
        low, high = np.quantile(gains[1:], [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
        left_out = float((explained[everything] - explained[everything - {place}])[0])
        yield FactorShare(factor, Estimate(float(gains[0]), float(low), float(high)), max(left_out, 0.0))


def _subsets(items: Sequence[int]) -> Iterator[tuple[int, ...]]:
    return chain.from_iterable(combinations(items, size) for size in range(len(items) + 1))


def _explained_by_sets(
    designs: np.ndarray, values: np.ndarray, members: Sequence[Sequence[int]]
) -> dict[frozenset[int], np.ndarray]:
    """Return R^2 of the model of every set of factors, in every resample: shape ``[resamples]`` for each set."""
    designs = designs - designs.mean(axis=1, keepdims=True)
    values = values - values.mean(axis=1, keepdims=True)
    squares = designs.transpose(0, 2, 1) @ designs
    products = np.einsum("bnc,bn->bc", designs, values)
    total = np.maximum((values**2).sum(axis=1), _TOLERANCE**2)
    # So little that R^2 keeps nine digits; with it no set of columns is singular.
    ridge = _TOLERANCE * len(values[0]) * np.eye(designs.shape[2])
    found = {}
    for chosen in _subsets(range(len(members))):
        columns = [place for factor in chosen for place in members[factor]]
        if not columns:
            found[frozenset(chosen)] = np.zeros(len(values))
            continue
        matrix = (squares + ridge)[:, columns][:, :, columns]
        ours = products[:, columns]
        weights = np.linalg.solve(matrix, ours[..., None])[..., 0]
        found[frozenset(chosen)] = np.minimum((ours * weights).sum(axis=1) / total, 1.0)
    return found
