"""OrderedSearch: strategies that go through the classes in an order that is fixed before anything is trained."""

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

from aen_agents.agents.strategies.base import Candidate, Outcome, SearchStrategy, SearchView


class OrderedSearch(SearchStrategy):
    """Classes in a fixed order, each on the first seed. All children can be trained side by side."""

    def __init__(self, view: SearchView, settings: Any) -> None:  # noqa: ANN401 - the section of the strategy's agent
        super().__init__(view, settings)
        self._asked = False

    @abstractmethod
    def order(self) -> Iterable[int]:
        """Return the places of the classes, those to train first first."""

    def ask(self) -> Sequence[Candidate]:
        """Return as many classes as the budget allows; none when it is called again."""
        if self._asked:
            return []
        self._asked = True
        return [Candidate(self.view.keys[place]) for place in islice(self.order(), self.view.children)]

    def tell(self, candidate: Candidate, outcome: Outcome) -> None:
        """Nothing depends on it."""
