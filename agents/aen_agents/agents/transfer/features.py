"""What the Q-network of dqn_transfer reads: numbers for each class and each symmetry that mean the same in every space.

Nothing depends on the order or the number of the classes and symmetries, so that one network serves any alphabet, any
grids, and spaces of other kinds.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aen.groups.grid import Grid, as_grid
from aen.spaces import Space
from aen.symmetry import SymmetryTest
from aen_agents.agents.strategies.class_model import ClassModel, Posterior
from aen_agents.agents.strategies.features import SpaceFeatures
from aen_agents.agents.transfer.geometry import GEOMETRY, UNKNOWN, geometry_of

Array = NDArray[np.float32]

SYMMETRY = ("contradiction", "relative", "rejected", "tested", "ties", "classes", *GEOMETRY)
STATIC = (
    *("evidence", "worst", "least", "relative", "rejected", "kept", "all_kept", "tested"),
    *("ties", "ties_over_first", "changes_from_first", "trend", "baseline", "choices"),
)
EVIDENCE = (
    *("trained", "value", "expected", "deviation", "improvement"),
    *("similar_mean", "similar_weight", "best", "baseline", "count", "left", "scale"),
)
SYMMETRY_EVIDENCE = ("with", "with_count", "without", "without_count")

_POINTS = 20.0  # five points of accuracy are 1
_DECAY = 1.5  # number of choices over which similarity decreases to 1/e


@dataclass(frozen=True, eq=False)
class KnownClasses:
    """What is known of the classes of a space before any training.

    Attributes:
        static: the features `STATIC` of each class.
        symmetry: the features `SYMMETRY` of each symmetry.
        members: how often each symmetry ties each class, shape ``[classes, symmetries]``.
        similar: similarity of each pair of classes, in [0, 1].
        model: of the accuracies.
        baseline: the place of the class without symmetry.
    """

    static: Array
    symmetry: Array
    members: Array
    similar: Array
    model: ClassModel
    baseline: int

    @classmethod
    def of(cls, features: SpaceFeatures, test: SymmetryTest | None, *, images: int) -> "KnownClasses":
        """Return what is known of the classes of a space.

        Args:
            features: of the space.
            test: of the training images; None: it was not made.
            images: number of validation images.
        """
        grid = grid_of(features.space)
        evidence = features.evidence(test)
        model = ClassModel(features, evidence, images)
        rows = {} if test is None else {row.factor.name: row for row in test.rows}
        shapes = {} if grid is None else {f.name: geometry_of(f, grid) for f in features.space.symmetry_factors()}
        effects = {name: float(np.log1p(max(row.z, 0.0))) for name, row in rows.items()}
        usual = float(np.mean(list(effects.values()))) if effects else 0.0
        members, count = features.members, len(features.classes)
        ties, size = features.ties, members.sum(axis=1)
        symmetry = np.zeros((len(features.names), len(SYMMETRY)))
        for place, name in enumerate(features.names):
            own = members[:, place] > 0
            row = rows.get(name)
            symmetry[place] = (
                effects.get(name, 0.0) / 5,
                effects.get(name, usual) - usual,
                float(row is not None and row.rejected),
                float(row is not None),
                float(ties[own].min()) / 2,
                float(own.mean()),
                *shapes.get(name, UNKNOWN),
            )
        rejected = members @ symmetry[:, 2]
        kept = members @ (symmetry[:, 3] * (1 - symmetry[:, 2]))
        most = kept.max(initial=0.0)
        has = np.minimum(members, 1)
        worst = (has * symmetry[:, 0]).max(axis=1, initial=0.0)
        least = np.where(has > 0, symmetry[:, 0], 2.0).min(axis=1, initial=2.0)
        # The class with all symmetries that the images do not reject and no other one, or the nearest to it.
        first = int(np.lexsort((ties, -kept, rejected))[0])
        changes = features.distances(np.array([first]))[0]
        static = np.stack(
            [
                evidence / 10,
                worst,
                least,
                has @ symmetry[:, 1] / 4,
                rejected / 4,
                kept / 4,
                (kept == most) & (rejected == 0),
                np.full(count, float(test is not None)),
                ties / 4,
                (ties - ties[first]) / 4,
                changes / 4,
                (model.trend - model.trend.max()) * _POINTS,
                np.arange(count) == features.baseline,
                size / 6,
            ],
            axis=1,
        )
        every = np.arange(count)
        similar = np.exp(features.distances(every) / -_DECAY) * (every[:, None] != every)
        return cls(
            static=static.astype(np.float32),
            symmetry=symmetry.astype(np.float32),
            members=members.astype(np.float32),
            similar=similar.astype(np.float32),
            model=model,
            baseline=features.baseline,
        )


def grid_of(space: Space) -> Grid | None:
    """Return the grid of the images that a space's children are trained on; None: it cannot be known."""
    child: Any = space.spec_of(space.baseline_state)
    grids = getattr(child, "grids", None)
    side = getattr(child, "side", None)
    if grids:
        found: Grid = as_grid(grids[0])
        return found
    return None if side is None else as_grid(side)


class Evidence:
    """What the children trained so far say of the classes.

    Args:
        known: of the space.
        children: the budget.
    """

    def __init__(self, known: KnownClasses, children: int) -> None:
        self.known, self.children = known, children
        self.counts = np.zeros(len(known.static))
        self.sums = np.zeros(len(known.static))
        self.asked = 0

    def add(self, place: int, accuracy: float) -> None:
        """Take the accuracy of a child."""
        self.counts[place] += 1
        self.sums[place] += accuracy

    @property
    def posterior(self) -> Posterior:
        """What the model believes of all classes."""
        _, means, places = self._trained
        return self.known.model.posterior(places, means, self.counts[places].tolist())

    @property
    def of_classes(self) -> Array:
        """The features `EVIDENCE` of each class."""
        tried, means, places = self._trained
        known, posterior, count = self.known, self.posterior, len(self.counts)
        expected, deviation = posterior.mean, posterior.deviation
        values = np.zeros(count)
        best = float(expected.max())
        if places:
            values[places] = (np.array(means) - np.mean(means)) * _POINTS
            best = float(expected[places].max())
        weight = known.similar @ tried
        columns = (
            tried,
            values,
            (expected - expected.max()) * _POINTS,
            np.minimum(deviation * _POINTS, 2.0),
            np.clip((expected - best) / np.maximum(deviation, 1e-4), -4.0, 4.0) / 2,
            (known.similar @ values) / np.maximum(weight, 1e-3),
            np.log1p(weight),
            values.max(),
            values[known.baseline],
            min(len(places), 40) / 20,
            max(1 - self.asked / max(self.children, 1), 0.0),
            float(np.std(values[places])) if places else 0.0,
        )
        return np.stack([np.broadcast_to(column, count) for column in columns], axis=1).astype(np.float32)

    @property
    def of_symmetries(self) -> Array:
        """The features `SYMMETRY_EVIDENCE` of each symmetry."""
        _, means, places = self._trained
        members = np.minimum(self.known.members[places], 1)
        found = np.zeros((self.known.members.shape[1], len(SYMMETRY_EVIDENCE)), np.float32)
        if places:
            values = (np.array(means) - np.mean(means)) * _POINTS
            for column, inside in ((0, members), (2, 1 - members)):
                number = inside.sum(axis=0)
                found[:, column] = values @ inside / np.maximum(number, 1)
                found[:, column + 1] = np.log1p(number)
        return found

    @property
    def _trained(self) -> tuple[NDArray[Any], list[float], list[int]]:
        tried = self.counts > 0
        places: list[int] = np.flatnonzero(tried).tolist()
        return tried.astype(float), (self.sums[places] / self.counts[places]).tolist(), places
