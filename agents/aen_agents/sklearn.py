"""SymmetrySearchClassifier: the default search as a classifier of scikit-learn."""

from collections.abc import Sequence
from math import isqrt, prod
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from aen.errors import AenError
from aen_agents.find_symmetries import find_symmetries

_IMAGE = 2  # dimensions


class SymmetrySearchClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Searches which symmetries a network for the images should have, and classifies with that network.

    Args:
        image_shape: rows and columns of the images, or their length if they are signals, where `X` has the shape
            ``[n, cells]``; None: they are square, and signals if the number of cells is no square. An `X` of shape
            ``[n, rows, columns]`` says it itself.
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
        given = _rows_and_columns(X)
        flat, y = validate_data(self, _flat(X), y, dtype=[np.float32, np.uint8])
        check_classification_targets(y)
        self.classes_, encoded = np.unique(y, return_inverse=True)
        if len(self.classes_) == 1:
            raise ValueError(f"Classifier can't train when only one class is present: {self.classes_[0]!r}.")
        if flat.shape[1] == 1:
            raise ValueError("X has 1 feature(s), but an image or a signal has at least 2 cells.")
        self._shape = self._shape_of(flat.shape[1], given)
        seed = 0 if self.random_state is None else self.random_state
        try:
            self.result_ = find_symmetries(
                _images(flat, self._shape), encoded, self.minutes, seed=seed, overrides=tuple(self.overrides)
            )
        except AenError as error:
            raise ValueError(str(error)) from error  # the type of scikit-learn's own
        self._dtype = flat.dtype
        return self

    def predict_proba(self, X: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Return the probability of each class, in the order of `classes_`."""
        check_is_fitted(self, "result_")
        given = _rows_and_columns(X)
        flat = validate_data(self, _flat(X), reset=False, dtype=[np.float32, np.uint8])
        shape = getattr(self, "_shape", None) or self._shape_of(flat.shape[1], None)  # of one that was pickled before
        if given not in (None, shape):
            raise ValueError(f"X has images of {_by(given)} cells, but it was fitted with images of {_by(shape)}.")
        # To scikit-learn equal numbers are equal, whatever their type.
        with np.errstate(invalid="ignore"):
            cast = flat.astype(getattr(self, "_dtype", flat.dtype))  # as above
        return self.result_.predict_proba(_images(cast if np.array_equal(cast, flat) else flat, shape))

    def predict(self, X: npt.ArrayLike) -> npt.NDArray[Any]:
        """Return the most probable label of each image."""
        probabilities = self.predict_proba(X)
        found: npt.NDArray[Any] = self.classes_[probabilities.argmax(axis=1)]
        return found

    def _shape_of(self, cells: int, given: tuple[int, ...] | None) -> tuple[int, ...]:
        """Return rows and columns of the images, or the length of signals."""
        if given is not None:
            if self.image_shape is not None and tuple(self.image_shape) != given:
                raise ValueError(
                    f"image_shape is {self.image_shape}, but X has images of {_by(given)} cells; leave image_shape out."
                )
            return given
        side = isqrt(cells)
        shape = self.image_shape or ((side, side) if side * side == cells else (cells,))
        if prod(shape) != cells:
            raise ValueError(
                f"image_shape is {shape}, which is {prod(shape)} cells, but X has {cells} features; give the rows "
                "and columns of the images."
            )
        return tuple(shape)


def _images(flat: npt.NDArray[Any], shape: tuple[int, ...]) -> npt.NDArray[Any]:
    """Return images with one channel, ``[n, rows, columns, 1]``, which wide ones need not to pass for signals."""
    return flat.reshape(len(flat), *shape, *([1] if len(shape) == _IMAGE else []))


def _by(shape: tuple[int, ...] | None) -> str:
    return "x".join(map(str, shape or ()))


def _rows_and_columns(images: npt.ArrayLike) -> tuple[int, ...] | None:
    """Return the shape of each image, if the images are not flat."""
    shape: tuple[int, ...] = getattr(images, "shape", ())
    return tuple(shape[1:]) if len(shape) == 1 + _IMAGE else None


def _flat(images: npt.ArrayLike) -> Any:  # noqa: ANN401 - what is no array is refused by scikit-learn
    """Return images of shape ``[n, rows, columns]`` as ``[n, cells]``; anything else as it is."""
    shape = _rows_and_columns(images)
    if shape is None:
        return images
    return np.asarray(images).reshape(len(images), prod(shape))  # type: ignore[arg-type]
