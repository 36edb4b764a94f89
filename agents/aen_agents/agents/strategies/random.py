"""Random search: classes in random order, none twice; docs/agents/random.md."""

from collections.abc import Iterable

from aen_agents.agents.strategies.ordered import OrderedSearch


class RandomSearch(OrderedSearch):
    """Classes in random order without replacement, each on the first seed."""

    def order(self) -> Iterable[int]:
        """Return the classes in random order."""
        order: list[int] = self.view.generator().permutation(len(self.view.keys)).tolist()
        return order
