"""Random search: classes in random order, none twice; docs/agents/random.md."""

from collections.abc import Sequence
from typing import Any

from aen_agents.agents.strategies.base import Candidate, Outcome, SearchStrategy, SearchView


class RandomSearch(SearchStrategy):
    """Classes in random order without replacement, each on the first seed."""

    def __init__(self, view: SearchView, settings: Any) -> None:  # noqa: ANN401 - RandomConfig
        super().__init__(view, settings)
        keys = list(view.classes)
        self._order = [keys[place] for place in view.generator().permutation(len(keys))]
        self._asked = 0

    def ask(self) -> Sequence[Candidate]:
        """Return all classes that are left."""
        left = self._order[self._asked : self.view.children]
        self._asked += len(left)
        return [Candidate(key) for key in left]

    def tell(self, candidate: Candidate, outcome: Outcome) -> None:
        """Nothing depends on it."""
