"""Evidence: what the validation accuracies met by walks say about classes and factors."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.intp]
FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Met:
    """The children that a walk has met, in the order in which their classes were met first.

    Attributes:
        places: of the classes.
        visits: how often each was met.
        accuracies: validation accuracies.
    """

    places: list[int]
    visits: list[int]
    accuracies: list[float]


class Evidence:
    """The evidence of several walks, each of which knows its own children only.

    Every class counts once, however often it was met. All values are computed element by element, so that those of a
    walk do not depend on which others are beside it.

    Args:
        walks: number of walks.
        class_factors: whether a class has a factor, shape ``[classes, factors]``.
        images: number of validation images.

    Attributes:
        visits: how often each walk has met each class, shape ``[walks, classes]``.
        accuracies: its validation accuracy, 0 for those not met; likewise.
    """

    def __init__(self, walks: int, class_factors: npt.NDArray[np.bool_], images: int) -> None:
        classes, factors = class_factors.shape
        self._has = class_factors.astype(np.float64)
        self._images = images
        self.visits = np.zeros((walks, classes), dtype=np.int64)
        self.accuracies = np.zeros((walks, classes))
        # Accuracy, standard error and visits, as they are observed.
        self._classes = np.zeros((walks, classes, 3), dtype=np.float32)
        self._order = np.zeros((walks, classes), dtype=np.int64)
        # Number, sum and sum of squares of the accuracies of all classes met; number and sum of those with each factor.
        self._all = np.zeros((3, walks, 1))
        self._with = np.zeros((2, walks, factors))

    def forget(self, walks: Rows) -> None:
        """Forget what some walks have met."""
        for values in (self.visits, self.accuracies, self._classes, self._order):
            values[walks] = 0
        self._all[:, walks] = 0.0
        self._with[:, walks] = 0.0

    def note(self, walks: Rows, places: Rows, accuracies: FloatArray) -> None:
        """Take a child of each of some walks.

        Args:
            walks: different walks.
            places: of the classes of their children.
            accuracies: of their children.
        """
        first = self.visits[walks, places] == 0
        self.visits[walks, places] += 1
        self._classes[walks, places, 2] += 1
        walks, places, accuracies = walks[first], places[first], accuracies[first]
        if not len(walks):
            return
        self.accuracies[walks, places] = accuracies
        self._classes[walks, places, 0] = accuracies
        self._classes[walks, places, 1] = np.sqrt(accuracies * (1.0 - accuracies) / self._images)
        powers = np.stack([np.ones_like(accuracies), accuracies, accuracies * accuracies])[:, :, None]
        self._all[:, walks] += powers
        self._with[:, walks] += powers[:2] * self._has[places]
        self._order[walks, places] = self._all[0, walks, 0].astype(np.int64)

    def of_classes(self) -> npt.NDArray[np.float32]:
        """Return accuracy, standard error and visits of each class, shape ``[walks, classes, 3]``.

        The standard error is that of a fraction of the validation images. All are 0 for classes not met.
        """
        return self._classes.copy()

    def of_factors(self) -> npt.NDArray[np.float32]:
        """Return the evidence about each factor, shape ``[walks, factors, 4]``.

        The mean accuracy of the classes met with the factor less that of those without it; the standard error of this
        difference, of one variance for both; and how many classes were met with and without it. The difference is 0
        where one of them is 0, and the standard error is 1 where it cannot be computed.
        """
        number, total = self._with
        others, other_total = self._all[0] - number, self._all[1] - total
        both = (number > 0) & (others > 0)
        n, m = np.maximum(number, 1.0), np.maximum(others, 1.0)
        difference = np.where(both, total / n - other_total / m, 0.0)
        # The scatter of each side about its own mean.
        scatter = np.maximum(self._all[2] - total * total / n - other_total * other_total / m, 0.0)
        freedom = self._all[0] - 2.0
        error = np.sqrt(scatter / np.maximum(freedom, 1.0) * (1.0 / n + 1.0 / m))
        error = np.where(both & (freedom > 0), np.minimum(error, 1.0), 1.0)
        return np.stack([difference, error, number, others], axis=-1).astype(np.float32)

    def met(self, walk: int) -> Met:
        """Return the children that a walk has met."""
        places = np.flatnonzero(self.visits[walk])
        places = places[np.argsort(self._order[walk, places])]
        return Met(places.tolist(), self.visits[walk, places].tolist(), self.accuracies[walk, places].tolist())

    def restore(self, walk: int, met: Met) -> None:
        """Take what `met` returned in place of what a walk has met."""
        rows: Any = np.array([walk])
        self.forget(rows)
        for place, visits, accuracy in zip(met.places, met.visits, met.accuracies, strict=True):
            self.note(rows, np.array([place]), np.array([accuracy]))
            self.visits[walk, place] = self._classes[walk, place, 2] = visits
