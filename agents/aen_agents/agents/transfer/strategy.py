"""TransferStrategy: dqn_transfer at work; docs/agents/dqn_transfer.md."""

from collections.abc import Sequence
from typing import Any

import torch

from aen_agents.agents.strategies.base import Candidate, Outcome, SearchStrategy, SearchView
from aen_agents.agents.transfer.features import ClassFeatures, evidence
from aen_agents.agents.transfer.policy_file import load_policy


class TransferStrategy(SearchStrategy):
    """Trains the class with the highest Q-value next; the network was trained on other data sets and stays as it is."""

    def __init__(self, view: SearchView, settings: Any) -> None:  # noqa: ANN401 - TransferConfig
        super().__init__(view, settings)
        classes = list(view.classes.values())
        self._network = load_policy(settings.policy)
        self._known = ClassFeatures.of(view.space, classes, view.symmetry)
        self._keys = [c.key for c in classes]
        self._counts = torch.zeros(len(classes))
        self._sums = torch.zeros(len(classes))
        self._failed = torch.zeros(len(classes), dtype=torch.bool)
        self._asked = 0

    def ask(self) -> Sequence[Candidate]:
        """Return the class with the highest Q-value among those not trained yet."""
        values = self.values()
        open_ = (self._counts == 0) & ~self._failed
        if not open_.any():
            return []
        place = int(torch.where(open_, values, -torch.inf).argmax())
        self._asked += 1
        return [Candidate(self._keys[place])]

    @torch.no_grad()
    def values(self) -> torch.Tensor:
        """Return the Q-value of each class."""
        known = self._known
        left = torch.tensor([1 - self._asked / max(self.view.children, 1)]).clamp(min=0)
        means = (self._sums / self._counts.clamp(min=1)).unsqueeze(0)
        dynamic = evidence(
            known.near.unsqueeze(0),
            known.below.unsqueeze(0).float(),
            torch.tensor([known.baseline]),
            self._counts.unsqueeze(0),
            means,
            left,
        )
        features = torch.cat([known.static.unsqueeze(0), dynamic], dim=2)
        present = torch.ones(1, len(self._keys), dtype=torch.bool)
        return self._network(features, present)[0]

    def tell(self, candidate: Candidate, outcome: Outcome) -> None:
        """Take the accuracy as evidence."""
        place = self._keys.index(candidate.class_key)
        if outcome.accuracy is None:
            self._failed[place] = True
            return
        self._counts[place] += 1
        self._sums[place] += outcome.accuracy
