"""Regularised evolution: the oldest network of the population is removed; docs/agents/evolution.md."""

from collections import deque
from collections.abc import Sequence
from typing import Any

from aen_agents.agents.strategies.base import Candidate, Outcome, SearchStrategy, SearchView

_DIVERGED = -1.0
_MOST_MUTATIONS = 50


class RegularisedEvolution(SearchStrategy):
    """A population of the last classes trained; the best of a random sample of it is the parent of the next child.

    Real et al., Regularized Evolution for Image Classifier Architecture Search, AAAI 2019. A mutation changes one
    choice. A child whose class is known is mutated again, so that no class is trained twice.
    """

    def __init__(self, view: SearchView, settings: Any) -> None:  # noqa: ANN401 - EvolutionConfig
        super().__init__(view, settings)
        self._random = view.generator()
        self._population: deque[tuple[float, int]] = deque(maxlen=settings.population)
        self._order = self._random.permutation(len(view.keys)).tolist()
        self._asked: set[int] = set()

    def ask(self) -> Sequence[Candidate]:
        """Return the first population, then as many children as `agent.children_at_once` says."""
        if not self._asked:
            chosen = self._order[: self.settings.population]
        else:
            chosen = []
            for _ in range(min(self.at_once, len(self._order) - len(self._asked))):
                chosen.append(self._child(set(chosen)))
        self._asked.update(chosen)
        return [Candidate(self.view.keys[place]) for place in chosen]

    def tell(self, candidate: Candidate, outcome: Outcome) -> None:
        """Add a child to the population, from which the oldest is removed if it is full."""
        place = self.view.features.place_of[candidate.class_key]
        self._population.append((_DIVERGED if outcome.accuracy is None else outcome.accuracy, place))

    def _child(self, chosen: set[int]) -> int:
        """Return a class that was not asked for: a mutation of the best of a sample, or else a random one."""
        count = min(self.settings.sample, len(self._population))
        sample = self._random.choice(len(self._population), size=count, replace=False)
        place = max(self._population[number] for number in sample.tolist())[1]
        taken = self._asked | chosen
        for _ in range(_MOST_MUTATIONS):
            neighbours = self.view.features.neighbours(place)
            if not neighbours:
                break
            place = neighbours[int(self._random.integers(len(neighbours)))]
            if place not in taken:
                return place
        left: int = next(place for place in self._order if place not in taken)
        return left
