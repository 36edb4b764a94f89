"""Surrogate: a Gaussian process over the classes says which child to train next; docs/agents/surrogate.md."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from scipy.special import ndtr

from aen_agents.agents.strategies.base import Candidate, Outcome, SearchStrategy, SearchView
from aen_agents.agents.strategies.class_model import ClassModel, Posterior
from aen_agents.agents.strategies.features import FloatArray

_TINY = 1e-12


class SurrogateSearch(SearchStrategy):
    """Trains the class of the largest expected improvement, or the best class of a draw from the model.

    The first child is the one that the model's prior prefers: what the images suggest. Later ones join that with what
    the children told. A batch is chosen as if its earlier classes had come out as expected (kriging believer).
    """

    def __init__(self, view: SearchView, settings: Any) -> None:  # noqa: ANN401 - SurrogateConfig
        super().__init__(view, settings)
        self._random = view.generator()
        self._known: dict[int, float] = {}
        self._failed: set[int] = set()

    def ask(self) -> Sequence[Candidate]:
        """Return as many classes as `agent.children_at_once` says."""
        known = dict(self._known)
        chosen: list[int] = []
        free = np.ones(len(self.view.keys), dtype=bool)
        free[[*known, *self._failed]] = False
        while len(chosen) < self.at_once and free.any():
            covariance = self.settings.acquisition == "thompson"
            posterior = self.model.posterior(list(known), list(known.values()), [1] * len(known), covariance=covariance)
            scores = np.where(free, self._scores(posterior, known), -np.inf)
            best = int(scores.argmax())
            chosen.append(best)
            free[best] = False
            known[best] = float(posterior.mean[best])
        return [Candidate(self.view.keys[place]) for place in chosen]

    def tell(self, candidate: Candidate, outcome: Outcome) -> None:
        """Remember the accuracy; a class that diverged is not asked for again."""
        place = self.view.features.place_of[candidate.class_key]
        if outcome.accuracy is None:
            self._failed.add(place)
        else:
            self._known[place] = outcome.accuracy

    @cached_property
    def model(self) -> ClassModel:
        """The model, with the evidence of the images if `agent.images` says so."""
        view = self.view
        evidence = view.evidence if self.settings.images else np.zeros(len(view.keys))
        return ClassModel(view.features, evidence, view.images)

    def _scores(self, posterior: Posterior, known: dict[int, float]) -> FloatArray:
        if not known:  # nothing to improve on: what the prior prefers
            return self.model.trend
        if posterior.covariance is not None:
            jitter = _TINY * np.eye(len(posterior.mean))
            factor = np.linalg.cholesky(posterior.covariance + 1e6 * jitter)
            draw: FloatArray = posterior.mean + factor @ self._random.standard_normal(len(posterior.mean))
            return draw
        best = posterior.mean[list(known)].max()
        deviation = np.maximum(posterior.deviation, _TINY)
        z = (posterior.mean - best) / deviation
        density = np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi)
        improvement: FloatArray = deviation * (z * ndtr(z) + density)
        return improvement
