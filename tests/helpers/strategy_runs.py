"""Strategies on accuracies that are made up: what they ask, child by child."""

from collections.abc import Callable
from pkgutil import resolve_name
from typing import Any

from aen.children import DenseSpec, GCNNSpec
from aen.children.training_spec import TrainingSpec
from aen.data.spec import DataSpec
from aen.groups import Alphabet, Decomposition
from aen.spaces import DecompositionSpace, GCNNSpace, LayerwiseDecompositionSpace, Space
from aen.symmetry import SymmetryRow, SymmetryTest
from aen_agents.agents.strategies.base import Candidate, Outcome, SearchStrategy, SearchView

Accuracy = Callable[[Candidate], float | None]

_DATA = DataSpec("digits", train=120, validation=120, test=120)
_TRAINING = TrainingSpec(epochs=9, batch_size=32)


def dense_space(*names: str) -> DecompositionSpace:
    child = DenseSpec(data=_DATA, grids=(8, 4, 4), training=_TRAINING)
    return DecompositionSpace(child, Alphabet.of(names or ("rot90", "hflip", "vflip", "swap_lr")))


def gcnn_space() -> GCNNSpace:
    child = GCNNSpec(data=_DATA, side=8, width=4, padding="same", training=_TRAINING)
    return GCNNSpace(child, augmentations=("shear",), size_factors=(1.0, 1.5, 2.0))


def layerwise_space() -> LayerwiseDecompositionSpace:
    child = DenseSpec(data=_DATA, grids=(8, 4, 4), training=_TRAINING)
    return LayerwiseDecompositionSpace(child, Alphabet.of(("rot90", "hflip")))


def images_test(space: Space, **z: float) -> SymmetryTest:
    """Return a test of the images in which the factors named have this z and are rejected above 3."""
    rows = [
        SymmetryRow(Decomposition(factor.factors), v, v, 0.001 if v > 3 else 0.5, 0.001 if v > 3 else 0.5, v > 3)
        for factor in space.symmetry_factors()
        for v in [z.get(factor.name, 0.0)]
    ]
    return SymmetryTest(tuple(rows), (8, 8), 120, 10, (), {}, 0.05, 999, 0)


def view_of(space: Space, *, children: int = 1000, seeds: int = 1, seed: int = 0, symmetry: Any = None) -> SearchView:
    return SearchView(space, symmetry, children, seeds, epochs=9, images=120, seed=seed)


def strategy_of(settings: Any, view: SearchView) -> SearchStrategy:
    made: SearchStrategy = resolve_name(settings.strategy)(view, settings)
    return made


def run(settings: Any, view: SearchView, accuracy: Accuracy) -> tuple[list[Candidate], list[str]]:
    """Return what a strategy asks until its end or until the budget is used up, and what it recommends then."""
    strategy, asked = strategy_of(settings, view), list[Candidate]()
    results: dict[str, list[float]] = {}
    while len(asked) < view.children and (batch := list(strategy.ask())[: view.children - len(asked)]):
        asked += batch
        for candidate in batch:
            found = accuracy(candidate)
            if found is not None and candidate.epochs is None:
                results.setdefault(candidate.class_key, []).append(found)
            strategy.tell(candidate, Outcome(found, None if found is None else 1 - found, 10, 1.0))
    return asked, strategy.recommend(results)
