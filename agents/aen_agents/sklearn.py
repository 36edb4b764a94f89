"""SymmetrySearchClassifier: the default search as a classifier of scikit-learn."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from aen.errors import AenError
from aen_agents.find_symmetries import find_symmetries


class SymmetrySearchClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Searches which symmetries a network for the images should have, and classifies with that network.

    Args:
        image_shape: rows and columns of the images, or their length if they are signals, where `X` has the shape
            ``[n, cells]``; None: they are square, and signals if the number of cells is no square.
        minutes: time of the search; None: no limit.
        overrides: ``key=value`` of the search's config.
        random_state: seed of the search, a whole number; None: 0.

    Attributes:
        classes_: the labels.
        result_: what the search found: `verdict`, `decomposition`, `model` and `report()`.
        n_features_in_: number of cells.
    """

    def __init__(
        self,
        image_shape: tuple[int, ...] | None = None,
        minutes: float | None = 5.0,
        overrides: Sequence[str] = (),
        random_state: int | None = None,
    ) -> None:
        self.image_shape = image_shape
        self.minutes = minutes
        self.overrides = overrides
        self.random_state = random_state

    def fit(self, X: npt.ArrayLike, y: npt.ArrayLike) -> Self:
        """Search, and keep the winner.

        Args:
            X: images of shape ``[n, cells]`` or ``[n, rows, columns]``.
            y: labels of shape ``[n]``.
        """
        flat, y = validate_data(self, _flat(X), y, dtype=[np.float32, np.uint8])
        check_classification_targets(y)
        self.classes_, encoded = np.unique(y, return_inverse=True)
        if len(self.classes_) == 1:
            raise ValueError(f"Classifier can't train when only one class is present: {self.classes_[0]!r}.")
        if flat.shape[1] == 1:
            raise ValueError("X has 1 feature(s), but an image or a signal has at least 2 cells.")
        seed = 0 if self.random_state is None else self.random_state
        try:
            self.result_ = find_symmetries(
                self._images(flat), encoded, self.minutes, seed=seed, overrides=tuple(self.overrides)
            )
        except AenError as error:
            raise ValueError(str(error)) from error  # the type of scikit-learn's own
        self._dtype = flat.dtype
        return self

    def predict_proba(self, X: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Return the probability of each class, in the order of `classes_`."""
        check_is_fitted(self, "result_")
        flat = validate_data(self, _flat(X), reset=False, dtype=[np.float32, np.uint8])
        # To scikit-learn equal numbers are equal, whatever their type.
        with np.errstate(invalid="ignore"):
            cast = flat.astype(getattr(self, "_dtype", flat.dtype))  # of a classifier that was pickled before
        return self.result_.predict_proba(self._images(cast if np.array_equal(cast, flat) else flat))

    def predict(self, X: npt.ArrayLike) -> npt.NDArray[Any]:
        """Return the most probable label of each image."""
        probabilities = self.predict_proba(X)
        found: npt.NDArray[Any] = self.classes_[probabilities.argmax(axis=1)]
        return found

    def _images(self, flat: npt.NDArray[Any]) -> npt.NDArray[Any]:
        cells = flat.shape[1]
        side = int(cells**0.5)
        shape = self.image_shape or ((side, side) if side * side == cells else (cells,))
        if np.prod(shape) != cells:
            raise ValueError(
                f"image_shape is {shape}, which is {np.prod(shape)} cells, but X has {cells} features; give the rows "
                "and columns of the images."
            )
        return flat.reshape(len(flat), *shape)


def _flat(images: npt.ArrayLike) -> Any:  # noqa: ANN401 - what is no array is refused by scikit-learn
    """Return images of shape ``[n, rows, columns]`` as ``[n, cells]``; anything else as it is."""
    shape: tuple[int, ...] = getattr(images, "shape", ())
    return np.asarray(images).reshape(shape[0], -1) if len(shape) == 3 else images  # noqa: PLR2004
