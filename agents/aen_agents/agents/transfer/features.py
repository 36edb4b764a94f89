"""What the Q-network of dqn_transfer reads: features of each class that mean the same in every space.

All are symmetric in the factors and equivariant in the classes, so that a network that is applied to each class works
for any alphabet and any grids.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from aen._typing import Bool, Float
from aen.spaces import Space, SpaceClass
from aen.symmetry import SymmetryTest

# An effect size below it does not speak against a symmetry.
_BROKEN = 3.0
_LARGEST_Z = 10.0
_ACCURACY_SCALE = 20.0  # five points of accuracy are 1

STATIC = (
    "largest_z",
    "mean_z",
    "broken_share",
    "supported_share",
    "all_supported",
    "factors_share",
    "log_weights",
    "log_last_layer",
    "baseline",
    "tested",
)
EVIDENCE = (
    "count",
    "mean",
    "near_mean",
    "near_weight",
    "below_mean",
    "below_weight",
    "above_mean",
    "above_weight",
    "best",
    "baseline_known",
    "trained",
    "left",
)


@dataclass(frozen=True, eq=False)
class ClassFeatures:
    """What is known of the classes of a space before any training.

    Attributes:
        static: the features `STATIC` of each class.
        near: similarity of each pair of classes, in [0, 1]: that of their closed sets (Jaccard), 0 of a class with
            itself.
        below: whether the closed set of the second class lies strictly in that of the first.
        baseline: the place of the class without symmetry.
    """

    static: Float[Tensor, "classes features"]
    near: Float[Tensor, "classes classes"]
    below: Bool[Tensor, "classes classes"]
    baseline: int

    @classmethod
    def of(cls, space: Space, classes: Sequence[SpaceClass], symmetry: SymmetryTest | None) -> "ClassFeatures":
        """Return the features of some classes of a space.

        Args:
            space: the space.
            classes: the classes, in the order of the rows.
            symmetry: the test of the training images; None: it was not made.
        """
        chosen = _chosen(space, classes)
        effects = _effects(space, symmetry, chosen.shape[1])
        static = np.stack([_static(space, c, row, effects, chosen) for c, row in zip(classes, chosen, strict=True)])
        both = chosen @ chosen.T
        sizes = chosen.sum(axis=1)
        either = sizes[:, None] + sizes[None, :] - both
        near = (1.0 + both) / (1.0 + either)  # the class without a factor is similar to small ones
        np.fill_diagonal(near, 0.0)
        below = (both == sizes[None, :]) & (sizes[None, :] < sizes[:, None])
        baseline = next((i for i, c in enumerate(classes) if c.key == space.baseline.key), 0)
        return cls(
            torch.from_numpy(static.astype(np.float32)),
            torch.from_numpy(near.astype(np.float32)),
            torch.from_numpy(below),
            baseline,
        )


def _chosen(space: Space, classes: Sequence[SpaceClass]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return for each class a row with 1 for each factor of its closed set, or each place that differs."""
    closed: Mapping[str, int] = space.closed_sets()
    places = len(space.sizes)
    if closed:
        masks = [closed[c.key] for c in classes]
        return np.array([[mask >> i & 1 for i in range(places)] for mask in masks], dtype=np.float64)
    base = space.baseline_state
    return np.array([[a != b for a, b in zip(c.representative, base, strict=True)] for c in classes], dtype=np.float64)


def _effects(space: Space, symmetry: SymmetryTest | None, places: int) -> np.ndarray[Any, np.dtype[np.float64]] | None:
    """Return the effect size of each factor; NaN where it was not tested, None if none was."""
    factors = space.symmetry_factors()
    if symmetry is None or not factors or len(factors) != places:
        return None
    rows = {row.factor.name: row.z for row in symmetry.rows}
    return np.array([min(rows.get(factor.name, math.nan), _LARGEST_Z) for factor in factors])


def _static(
    space: Space,
    network_class: SpaceClass,
    chosen: np.ndarray[Any, np.dtype[np.float64]],
    effects: np.ndarray[Any, np.dtype[np.float64]] | None,
    _all: np.ndarray[Any, np.dtype[np.float64]],
) -> np.ndarray[Any, np.dtype[np.float64]]:
    inside = chosen > 0
    largest = mean = broken = supported = everything = tested = 0.0
    if effects is not None and np.isfinite(effects).any():
        tested = 1.0
        own = effects[inside & np.isfinite(effects)]
        good = np.isfinite(effects) & (effects < _BROKEN)
        if len(own):
            largest, mean = float(np.clip(own, 0, None).max()) / _LARGEST_Z, float(own.mean()) / _LARGEST_Z
            broken = float((own >= _BROKEN).sum()) / 4
        supported = float((good & inside).sum()) / max(float(good.sum()), 1.0)
        everything = float(not (good & ~inside).any() and not (inside & ~good).any())
    orbits = space.describe_class(network_class).get("orbits") or []
    most = space.describe_class(space.baseline).get("orbits") or orbits
    weights = math.log(sum(orbits) / sum(most)) / 4 if orbits else 0.0
    last = math.log(orbits[-1] / most[-1]) / 4 if orbits else 0.0
    return np.array(
        [
            largest,
            mean,
            broken,
            supported,
            everything,
            float(inside.mean()),
            weights,
            last,
            float(network_class.key == space.baseline.key),
            tested,
        ]
    )


def evidence(
    near: Float[Tensor, "batch classes classes"],
    below: Float[Tensor, "batch classes classes"],
    baseline: Tensor,
    counts: Float[Tensor, "batch classes"],
    means: Float[Tensor, "batch classes"],
    left: Float[Tensor, " batch"],
) -> Float[Tensor, "batch classes features"]:
    """Return the features `EVIDENCE` of each class.

    Accuracies are relative to the mean of those trained, in units of five points.

    Args:
        near: similarities, see `ClassFeatures`.
        below: inclusions, as numbers.
        baseline: the place of the class without symmetry, of each batch element.
        counts: on how many seeds each class was trained.
        means: their mean accuracies; 0 where a class was not trained.
        left: the share of the budget that is left.
    """
    tried = (counts > 0).to(means.dtype)
    number = tried.sum(dim=1, keepdim=True)
    centre = (means * tried).sum(dim=1, keepdim=True) / number.clamp(min=1)
    values = (means - centre) * tried * _ACCURACY_SCALE
    similar = near**3
    columns = [counts.clamp(max=3) / 3, values]
    for kernel in (similar, below, below.transpose(1, 2)):
        weight = torch.bmm(kernel, tried.unsqueeze(2)).squeeze(2)
        total = torch.bmm(kernel, values.unsqueeze(2)).squeeze(2)
        columns += [total / weight.clamp(min=1e-3), torch.log1p(weight)]
    best = torch.where(tried > 0, values, values.new_full((), -10.0)).amax(dim=1, keepdim=True)
    best = torch.where(number > 0, best, torch.zeros_like(best))
    untied = tried.gather(1, baseline.view(-1, 1))
    for value in (best, untied, number.clamp(max=40) / 20, left.unsqueeze(1)):
        columns.append(value.expand_as(means))
    return torch.stack(columns, dim=2)
