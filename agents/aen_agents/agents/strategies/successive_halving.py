"""Successive halving: many classes for few epochs, the best part for more; docs/agents/successive_halving.md."""

from collections.abc import Sequence
from typing import Any

from aen.errors import ConfigError
from aen_agents.agents.strategies.base import Candidate, Outcome, SearchStrategy, SearchView
from aen_agents.config.strategies import SuccessiveHalvingConfig

_DIVERGED = -1.0


class SuccessiveHalving(SearchStrategy):
    """Classes in random order for the fewest epochs; of each rung the best part is trained for more epochs.

    Jamieson and Talwalkar, AISTATS 2016; the rungs are those of Hyperband (Li et al., JMLR 2018). Each training counts
    as a child, and begins anew. The last rung has the epochs of the search; it takes the rest of the budget.

    Raises:
        ConfigError: the children are trained for too few epochs.
    """

    def __init__(self, view: SearchView, settings: Any) -> None:  # noqa: ANN401 - SuccessiveHalvingConfig
        super().__init__(view, settings)
        self._rungs = rungs_of(settings, view.epochs)
        parts = [settings.reduction**-rung for rung in range(len(self._rungs))]
        first = max(int(view.children / sum(parts)), 1)
        self._counts = [max(int(first * part), 1) for part in parts]
        self._left = view.generator().permutation(len(view.keys)).tolist()
        self._rung = 0
        self._told: list[dict[int, float]] = [{} for _ in self._rungs]

    @property
    def most(self) -> int:
        """Every class in each rung."""
        return len(self.view.keys) * len(self._rungs)

    def ask(self) -> Sequence[Candidate]:
        """Return the classes of a rung; none after the last."""
        if self._rung == len(self._rungs):
            return []
        last = self._rung == len(self._rungs) - 1
        # The last rung may use all that is left of the budget.
        chosen = self._left if last else self._left[: self._counts[self._rung]]
        epochs = None if last else self._rungs[self._rung]
        self._rung += 1
        return [Candidate(self.view.keys[place], epochs=epochs) for place in chosen]

    def tell(self, candidate: Candidate, outcome: Outcome) -> None:
        """Remember the accuracy; those told are the next rung's candidates, best first."""
        place = self.view.features.place_of[candidate.class_key]
        told = self._told[self._rung - 1]
        told[place] = _DIVERGED if outcome.accuracy is None else outcome.accuracy
        if candidate.epochs is not None:
            self._left = sorted((p for p in told if told[p] >= 0), key=lambda p: (-told[p], p))

    def recommend(self, results: dict[str, list[float]]) -> list[str]:
        """Return the classes trained, those trained for the most epochs first."""
        found = super().recommend(results)
        for told in reversed(self._told[:-1]):
            found += [self.view.keys[place] for place in sorted(told, key=lambda p: (-told[p], p)) if told[place] >= 0]
        return list(dict.fromkeys(found))


def rungs_of(settings: SuccessiveHalvingConfig, epochs: int) -> list[int]:
    """Return the epochs of each rung, ascending: `epochs`, and it divided by `agent.reduction` again and again.

    Raises:
        ConfigError: there is only one.
    """
    rungs = [epochs]
    while (fewer := round(epochs / settings.reduction ** len(rungs))) >= settings.first_epochs:
        rungs.append(fewer)
    if len(rungs) == 1:
        raise ConfigError(
            f"agent successive_halving has only one rung with training.epochs={epochs}, agent.first_epochs="
            f"{settings.first_epochs} and agent.reduction={settings.reduction}; train for more epochs, or choose "
            "another agent."
        )
    return rungs[::-1]
