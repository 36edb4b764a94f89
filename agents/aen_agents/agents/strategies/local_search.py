"""Local search: from the class without symmetry to its best neighbour, and on; docs/agents/local_search.md."""

from collections.abc import Sequence
from typing import Any

from aen_agents.agents.strategies.base import Candidate, Outcome, SearchStrategy, SearchView

_DIVERGED = -1.0


class LocalSearch(SearchStrategy):
    """Trains all neighbours of a class, moves to the best, and starts again from a random class where none is better.

    White et al., Exploring the Loss Landscape in Neural Architecture Search, UAI 2021, with classes of networks in
    place of architectures: neighbours differ by one choice. No class is trained twice.
    """

    def __init__(self, view: SearchView, settings: Any) -> None:  # noqa: ANN401 - LocalSearchConfig
        super().__init__(view, settings)
        # The classes in the order in which they are started from: no symmetry, then random ones.
        self._starts = iter([view.features.baseline, *view.generator().permutation(len(view.keys)).tolist()])
        self._known: dict[int, float] = {}
        self._at: int | None = None
        self._left: set[int] = set()  # classes whose neighbours are all known

    def ask(self) -> Sequence[Candidate]:
        """Return the neighbours of the current class that are not known, or a class to start from."""
        while True:
            if self._at is None:
                start = next((place for place in self._starts if place not in self._known), None)
                if start is None:
                    return []
                self._at = start
                return [Candidate(self.view.keys[start])]
            neighbours = self.view.features.neighbours(self._at)
            unknown = [place for place in neighbours if place not in self._known]
            if unknown:
                return [Candidate(self.view.keys[place]) for place in unknown]
            self._at = self._next(self._at, neighbours)

    def tell(self, candidate: Candidate, outcome: Outcome) -> None:
        """Remember the accuracy."""
        place = self.view.features.place_of[candidate.class_key]
        self._known[place] = _DIVERGED if outcome.accuracy is None else outcome.accuracy

    def _next(self, place: int, neighbours: Sequence[int]) -> int | None:
        """Return the best neighbour of a class, if it is better and was not left before; None: start again."""
        self._left.add(place)
        best = max(neighbours, key=lambda other: (self._known[other], -other), default=place)
        return best if self._known[best] > self._known[place] and best not in self._left else None
