"""Symmetry test: the class that the images suggest, then those like it; docs/agents/symmetry_test.md."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from aen.errors import ConfigError
from aen_agents.agents.plausible import supported_first
from aen_agents.agents.strategies.base import SearchView
from aen_agents.agents.strategies.ordered import OrderedSearch


class SymmetryTestSearch(OrderedSearch):
    """First the class of all factors that the test of the images does not reject, then the others by the evidence.

    Raises:
        ConfigError: the images were not tested.
    """

    def __init__(self, view: SearchView, settings: Any) -> None:  # noqa: ANN401 - SymmetryTestConfig
        super().__init__(view, settings)
        if view.symmetry is None:
            raise ConfigError(
                "agent symmetry_test needs the symmetry test of the images, which was not made; set symmetry_test=true."
            )

    def order(self) -> Iterable[int]:
        """Return the classes by the evidence against them."""
        features, view = self.view.features, self.view
        suggested = (features.place_of.get(c.key) for c in supported_first(view.space, view.symmetry))
        first = next((place for place in suggested if place is not None), features.baseline)
        cost = view.evidence + self.settings.per_tie * np.abs(features.ties - features.ties[first])
        order: list[int] = np.argsort(cost, kind="stable").tolist()
        return [first, *(place for place in order if place != first)]
