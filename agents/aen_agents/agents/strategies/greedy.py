"""Greedy forward selection of choices, with a race over seeds in each step; docs/agents/greedy.md."""

from collections.abc import Sequence
from math import ceil
from statistics import fmean
from typing import Any

from aen_agents.agents.strategies.base import Candidate, Outcome, SearchStrategy, SearchView

_DIVERGED = -1.0


class GreedySearch(SearchStrategy):
    """From the class without symmetry, adds the choice that improves the accuracy the most, until none does.

    The classes with one more choice race each other: after each seed the better half is trained on the next one.
    """

    def __init__(self, view: SearchView, settings: Any) -> None:  # noqa: ANN401 - GreedyConfig
        super().__init__(view, settings)
        self._known: dict[int, list[float]] = {}
        self._at = view.features.baseline
        self._racing = [self._at]  # those that are to be known on `_wanted` seeds
        self._wanted = view.seeds
        self._done = False

    def ask(self) -> Sequence[Candidate]:
        """Return the classes of the race on their next seeds; none: no choice improves the accuracy."""
        while not self._done:
            wanted = [
                Candidate(self.view.keys[place], seed)
                for place in self._racing
                for seed in range(len(self._known.get(place, ())), self._wanted)
            ]
            if wanted:
                return wanted
            self._advance()
        return []

    def tell(self, candidate: Candidate, outcome: Outcome) -> None:
        """Remember the accuracy."""
        place = self.view.features.place_of[candidate.class_key]
        self._known.setdefault(place, []).append(_DIVERGED if outcome.accuracy is None else outcome.accuracy)

    def _advance(self) -> None:
        """Halve the race, or at its end add the choice that won it."""
        if self._racing == [self._at]:  # its seeds are known: the race of its additions begins
            self._racing, self._wanted = self._additions(), 1
            self._done = not self._racing
        elif self._wanted < self.view.seeds and len(self._racing) > 1:
            self._racing = sorted(self._racing, key=self._order)[: ceil(len(self._racing) / 2)]
            self._wanted += 1
        else:
            best = min(self._racing, key=self._order)
            if self._wanted < self.view.seeds:  # it was left alone: it is compared on all seeds
                self._racing, self._wanted = [best], self.view.seeds
                return
            self._done = fmean(self._known[best]) <= fmean(self._known[self._at])
            self._at, self._racing = best, [best]

    def _order(self, place: int) -> tuple[float, int]:
        return -fmean(self._known[place]), place

    def _additions(self) -> list[int]:
        """Return the neighbours that have all choices of the current class and more."""
        features = self.view.features
        own = features.choices[self._at]
        return [place for place in features.neighbours(self._at) if (features.choices[place] >= own).all()]
