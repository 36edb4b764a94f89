"""TransferStrategy: dqn_transfer at work; docs/agents/dqn_transfer.md."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch

from aen_agents.agents.strategies.base import Candidate, Outcome, SearchStrategy, SearchView
from aen_agents.agents.transfer.features import Array, Evidence, KnownClasses
from aen_agents.agents.transfer.policy_file import load_policy


class TransferStrategy(SearchStrategy):
    """Trains the class with the highest Q-value next; the network was trained on other data sets and stays as it is."""

    def __init__(self, view: SearchView, settings: Any) -> None:  # noqa: ANN401 - TransferConfig
        super().__init__(view, settings)
        self._network = load_policy(settings.policy)
        self._told: list[tuple[int, float]] = []
        self._done: set[int] = set()

    @property
    def most(self) -> int:
        """Each class once."""
        return len(self.view.keys)

    def ask(self) -> Sequence[Candidate]:
        """Return the classes with the highest Q-values, each chosen as if those before it had come out as expected."""
        evidence = Evidence(self._known, self.view.children)
        for place, accuracy in self._told:
            evidence.add(place, accuracy)
        evidence.asked = len(self._done)
        chosen: list[int] = []
        for _ in range(min(self.at_once, self.most - len(self._done))):
            if chosen:
                evidence.add(chosen[-1], float(evidence.posterior.mean[chosen[-1]]))
                evidence.asked += 1
            chosen.append(int(self.values(evidence, [*self._done, *chosen]).argmax()))
        return [Candidate(self.view.keys[place]) for place in chosen]

    def tell(self, candidate: Candidate, outcome: Outcome) -> None:
        """Take the accuracy as evidence; a class that diverged tells nothing and is not asked for again."""
        place = self.view.features.place_of[candidate.class_key]
        self._done.add(place)
        if outcome.accuracy is not None:
            self._told.append((place, outcome.accuracy))

    @torch.no_grad()
    def values(self, evidence: Evidence, done: Sequence[int]) -> Array:
        """Return the Q-value of each class; very low for those that are done.

        Args:
            evidence: what the children trained so far say.
            done: the places of the classes that are not to be trained any more.
        """
        known = self._known
        classes = np.concatenate([known.static, evidence.of_classes], axis=1)
        symmetries = np.concatenate([known.symmetry, evidence.of_symmetries], axis=1)
        present = torch.ones(1, len(classes), dtype=torch.bool)
        present[0, list(done)] = False
        arrays = (torch.from_numpy(each).unsqueeze(0) for each in (classes, symmetries, known.members))
        values: Array = self._network(*arrays, present)[0].numpy()
        return values

    @cached_property
    def _known(self) -> KnownClasses:
        view = self.view
        return KnownClasses.of(view.features, view.symmetry, images=view.images)
