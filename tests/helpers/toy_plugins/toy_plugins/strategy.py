"""An agent that trains classes near the best one so far, and now and then one at random."""

from typing import ClassVar, Literal

from pydantic import Field

from aen_agents.agents.strategies.base import Candidate, SearchStrategy
from aen_agents.config import StrategyConfig


class NearBestConfig(StrategyConfig):
    """The agent's settings."""

    strategy: ClassVar[str] = "toy_plugins.strategy:NearBest"

    name: Literal["near_best"] = Field("near_best", description="the algorithm")
    random: float = Field(0.2, ge=0, le=1, description="probability of a class at random")


class NearBest(SearchStrategy):
    """Asks for one class at a time."""

    def __init__(self, view, settings):
        super().__init__(view, settings)
        self.source, self.known = view.generator(), {}

    def ask(self):
        left = [c for key, c in self.view.classes.items() if key not in self.known]
        self.source.shuffle(left)
        if left and self.known and self.source.random() >= self.settings.random:
            best = self.view.classes[max(self.known, key=self.known.get)].representative
            left.sort(key=lambda c: sum(a != b for a, b in zip(c.representative, best, strict=True)))
        return [Candidate(c.key) for c in left[:1]]

    def tell(self, candidate, outcome):
        self.known[candidate.class_key] = outcome.accuracy or 0.0
