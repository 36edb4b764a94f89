"""SearchStrategy: the interface of agents that are asked for children and told their results.

The same strategy is run by a search (`StrategyExplorer`), which trains the children, and by a comparison of agents
(`aen_agents.compare`), which looks them up in a table.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from aen.spaces import Space, SpaceClass
from aen.symmetry import SymmetryTest
from aen_agents.agents.strategies.class_model import ClassModel
from aen_agents.agents.strategies.features import FloatArray, SpaceFeatures, features_of


@dataclass(frozen=True)
class Candidate:
    """A child to train.

    Attributes:
        class_key: its class.
        seed: the place of its seed among those of the search: 0 is the first.
        epochs: to train; None: as many as the search says. Fewer are the first of these.
    """

    class_key: str
    seed: int = 0
    epochs: int | None = None


@dataclass(frozen=True)
class Outcome:
    """The result of a candidate.

    Attributes:
        accuracy: validation accuracy in [0, 1]; None: the child diverged or failed.
        loss: validation loss; None: likewise.
        parameters: number of free parameters.
        seconds: time that the training took.
    """

    accuracy: float | None
    loss: float | None
    parameters: int
    seconds: float


@dataclass(frozen=True)
class SearchView:
    """What a strategy knows of a search before anything is trained.

    Attributes:
        space: the classes to choose among.
        symmetry: the test of the training images; None: it was not made.
        children: the budget: how many children may be trained.
        seeds: on how many seeds a class may be trained.
        epochs: of a whole training.
        images: number of validation images.
        seed: of the strategy's random choices.
        class_keys: the classes that may be chosen; None: all of the space.
        at_once: how many children are trained side by side.
    """

    space: Space
    symmetry: SymmetryTest | None
    children: int
    seeds: int
    epochs: int
    images: int
    seed: int
    class_keys: frozenset[str] | None = None
    at_once: int = 1

    @cached_property
    def features(self) -> SpaceFeatures:
        """What is known of the classes that may be chosen."""
        return features_of(self.space, self.class_keys)

    @cached_property
    def evidence(self) -> FloatArray:
        """How strongly the images contradict each class, in the order of `features.classes`."""
        return self.features.evidence(self.symmetry)

    @cached_property
    def keys(self) -> list[str]:
        """The keys of the classes that may be chosen, in the space's order."""
        return list(self.features.place_of)

    @cached_property
    def classes(self) -> dict[str, SpaceClass]:
        """The classes that may be chosen by their keys, in the space's order."""
        return {c.key: c for c in self.features.classes}

    def generator(self) -> np.random.Generator:
        """Return a source of random numbers that depends on the seed alone."""
        return np.random.default_rng(self.seed)


class SearchStrategy(ABC):
    """Says which children to train next.

    What it asks depends only on the view, its settings, and on what it was told: a resumed search repeats it.

    Args:
        view: what is known of the search.
        settings: the section `agent` of the config.
    """

    def __init__(self, view: SearchView, settings: Any) -> None:  # noqa: ANN401 - the section of the strategy's agent
        self.view, self.settings = view, settings

    @property
    def at_once(self) -> int:
        """How many children to ask for: as many as `agent.children_at_once` says, or the view."""
        found: int | None = getattr(self.settings, "children_at_once", None)
        return self.view.at_once if found is None else found

    @property
    def most(self) -> int:
        """How many candidates it asks for at most, if the budget allows."""
        return len(self.view.keys) * self.view.seeds

    @abstractmethod
    def ask(self) -> Sequence[Candidate]:
        """Return the candidates to train next, side by side; none: the strategy is at its end.

        It is called again when all of them were told. More than the budget allows are cut off.
        """

    @abstractmethod
    def tell(self, candidate: Candidate, outcome: Outcome) -> None:
        """Take the result of a candidate; they come in the order in which they were asked."""

    def recommend(self, results: dict[str, list[float]]) -> list[str]:
        """Return the classes trained, best first: by the accuracy to expect of them, not by the one measured.

        The best of many noisy accuracies is mostly a lucky one. `ClassModel` draws each towards what similar classes
        have, and towards what the test of the images lets expect, where it was made.

        Args:
            results: the accuracies of each class told so far, without children that diverged.
        """
        place_of = self.view.features.place_of
        keys = list(results)
        if len(keys) < 2:  # noqa: PLR2004 - one needs no order
            return keys
        counts = [len(values) for values in results.values()]
        means = [sum(values) / count for values, count in zip(results.values(), counts, strict=True)]
        expected = self.model.expected([place_of[key] for key in keys], means, counts).tolist()
        return [key for _, key in sorted(zip((-value for value in expected), keys, strict=True))]

    @cached_property
    def model(self) -> ClassModel:
        """The model by which the recommendation is made."""
        return ClassModel(self.view.features, self.view.evidence, self.view.images)
