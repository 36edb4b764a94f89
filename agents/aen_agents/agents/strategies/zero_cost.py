"""Zero-cost search: classes in the order of a score of the untrained network; docs/agents/zero_cost.md."""

from collections.abc import Iterable

from aen.children import ChildSpec
from aen_agents.agents.plausible import most_plausible_first
from aen_agents.agents.strategies.ordered import OrderedSearch
from aen_agents.agents.strategies.zero_cost_scores import scores_of


class ZeroCostSearch(OrderedSearch):
    """Trains the classes in the order of their scores, which are computed from the training images.

    Of a space with more than `agent.classes` classes only that many are scored, those that the test of the images finds
    the most plausible; the others follow in that order.
    """

    def order(self) -> Iterable[int]:
        """Return the classes, the highest score first."""
        features, space = self.view.features, self.view.space
        every = list(range(len(features.classes)))
        if len(every) > self.settings.classes:
            plausible = most_plausible_first(space, self.view.symmetry)
            every = [features.place_of[c.key] for c in plausible if c.key in features.place_of]
        scored, rest = every[: self.settings.classes], every[self.settings.classes :]
        specs: list[ChildSpec] = [space.spec(features.classes[place]) for place in scored]
        scores = dict(zip(scored, scores_of(specs), strict=True))
        return [*sorted(scored, key=lambda place: (-scores[place], place)), *rest]
