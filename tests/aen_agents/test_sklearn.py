"""SymmetrySearchClassifier: scikit-learn's own checks, and images."""

from collections.abc import Callable
from typing import Any

import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.utils.estimator_checks import estimator_checks_generator

import aen
from aen_agents.sklearn import SymmetrySearchClassifier

QUICK = (
    *("training.epochs=20", "training.learning_rate=0.01", "child.hidden=auto", "alphabet=[hflip]"),
    *("budget.children=3", "selection.seeds=2", "selection.top=1", "evaluator.workers=1", "symmetry_test=false"),
)
CHECKS = [
    pytest.param(estimator, check, id=f"{check.func.__name__}-{number}")
    for number, (estimator, check) in enumerate(
        estimator_checks_generator(SymmetrySearchClassifier(minutes=None, overrides=QUICK))
    )
]


def test_images_are_classified() -> None:
    digits = load_digits()
    model = SymmetrySearchClassifier(minutes=None, overrides=QUICK, random_state=1)
    model.fit(digits.data[:600], digits.target[:600])
    assert model.score(digits.data[600:900], digits.target[600:900]) > 0.6
    assert model.predict_proba(digits.images[600:603]).shape == (3, 10)
    assert model.result_.summary.seed == 1
    assert isinstance(model, aen.SymmetrySearchClassifier)
    assert clone(model).get_params() == model.get_params()


@pytest.mark.parametrize("shape", [(4, 16), (16, 4), (2, 32)])
def test_images_keep_their_rows_and_columns(shape: tuple[int, int]) -> None:
    digits = load_digits()
    images = digits.images.reshape(-1, *shape)
    model = SymmetrySearchClassifier(minutes=None, overrides=QUICK)
    model.fit(images[:200], digits.target[:200])
    assert model.result_.model.spec.grid == shape
    assert model.predict(images[:3]).shape == (3,)
    assert (model.predict(images[200:300]) == model.predict(digits.data[200:300])).all()
    with pytest.raises(ValueError, match=f"X has images of 8x8 cells, but it was fitted with images of {shape[0]}x"):
        model.predict(digits.images[:3])
    with pytest.raises(ValueError, match=r"Found array with 0 sample\(s\)"):
        model.predict(images[:0])
    with pytest.raises(ValueError, match=r"image_shape is \(8, 8\), but X has images of"):
        SymmetrySearchClassifier((8, 8)).fit(images, digits.target)


def test_a_shape_that_does_not_fit_is_refused() -> None:
    digits = load_digits()
    with pytest.raises(ValueError, match=r"image_shape is \(5, 5\), which is 25 cells, but X has 64 features"):
        SymmetrySearchClassifier((5, 5)).fit(digits.data, digits.target)


def test_bad_arguments_are_named() -> None:
    digits = load_digits()
    with pytest.raises(ValueError, match=r"Found array with 0 sample\(s\)"):
        SymmetrySearchClassifier().fit(digits.images[:0], digits.target[:0])
    with pytest.raises(ValueError, match=r"Found array with 0 feature\(s\)"):
        SymmetrySearchClassifier().fit(digits.images[:, :0], digits.target)
    with pytest.raises(ValueError, match=r"^minutes is 'x' but must be a number above 0"):
        SymmetrySearchClassifier(minutes="x").fit(digits.images, digits.target)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"^arrays: class '0' has 2 images"):
        SymmetrySearchClassifier().fit(digits.images[:3], [0, 0, 1])


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize(("estimator", "check"), CHECKS)
def test_it_passes_the_checks_of_scikit_learn(
    estimator: SymmetrySearchClassifier, check: Callable[[Any], None]
) -> None:
    check(estimator)
