"""ClassChoiceEnv: choose the class to train next, on tables of many data sets; dqn_transfer is trained in it."""

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np

from aen.bench import Table
from aen.bench.table import WITHIN
from aen_agents.agents.transfer.features import EVIDENCE, SYMMETRY_EVIDENCE, Array, Evidence, KnownClasses

_SCALE = 0.01
FEWEST = 24  # classes that may be chosen in an episode at least


class ClassChoiceEnv(gym.Env[dict[str, Any], np.int64]):
    """An episode is a search on one table, drawn at random; a step trains one class that was not trained yet.

    ## Action Space
    `Discrete(most)`: the place of the class in the table. There is no child for the others.

    ## Observation Space
    `Dict`: `table`, the number of the table; `classes` and `symmetries`: the evidence so far, see `Evidence`; `open`:
    the classes that may be chosen; `gains`: the reward of each class, were it trained now. No agent can know the last
    one on new data: `TableDQN` learns from it, and its network does not read it.

    ## Rewards
    By how much the best score so far increases. The score of a class is 1 if its mean accuracy over all seeds is within
    half a point of the best class's; beyond it decreases exponentially with the distance, by 1/e with each point.

    ## Starting State
    Nothing is trained. Of the classes a random part may be chosen, so that one table has many best classes.

    ## Episode End
    Termination with the reward; truncation after `children` steps.

    Args:
        tables: to train on, with what is known of their classes.
        weights: how often each is drawn, relative to the others; None: all alike.
        children: the budget.
        whole: the probability that all classes may be chosen.
        partial: the score of classes just beyond half a point; 0: there are no other rewards than 1.
    """

    def __init__(
        self,
        tables: Sequence[tuple[Table, KnownClasses]],
        weights: Sequence[float] | None = None,
        children: int = 30,
        whole: float = 0.5,
        partial: float = 0.6,
    ) -> None:
        self.tables, self.children, self.whole, self.partial = tuple(tables), children, whole, partial
        given = np.ones(len(self.tables)) if weights is None else np.array(weights)
        self._weights = given / given.sum()
        self.most = max(len(known.static) for _, known in tables)
        self._symmetries = max(len(known.symmetry) for _, known in tables)
        self.action_space = gym.spaces.Discrete(self.most)
        self.observation_space = gym.spaces.Dict(
            {
                "table": gym.spaces.Box(0, len(self.tables) - 1, (1,), np.int64),
                "classes": gym.spaces.Box(-np.inf, np.inf, (self.most, len(EVIDENCE)), np.float32),
                "symmetries": gym.spaces.Box(-np.inf, np.inf, (self._symmetries, len(SYMMETRY_EVIDENCE)), np.float32),
                "open": gym.spaces.MultiBinary(self.most),
                "gains": gym.spaces.Box(0, 1, (self.most,), np.float32),
            }
        )

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Begin a search on a table: ``options={"table": number}`` names it."""
        super().reset(seed=seed)
        self._number = int((options or {}).get("table", self.np_random.choice(len(self.tables), p=self._weights)))
        self._table, known = self.tables[self._number]
        self._evidence = Evidence(known, self.children)
        count = len(known.static)
        share = 1.0 if self.np_random.random() < self.whole else self.np_random.uniform(0.2, 1.0)
        kept = self.np_random.permutation(count)[: max(int(share * count), min(FEWEST, count))]
        self._open = np.zeros(self.most, np.int8)
        self._open[kept] = 1
        means = self._table.accuracy.mean(axis=1)
        regret = means[kept].max() - means
        self._scores = np.where(regret <= WITHIN, 1.0, self.partial * np.exp((WITHIN - regret) / _SCALE))
        self._best = 0.0
        self._seed = int(self.np_random.integers(len(self._table.definition.seeds)))
        return self._observation(), {}

    def step(self, action: np.int64) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        """Train a class on a seed."""
        place = int(action)
        if not self._open[place]:
            raise ValueError(f"action is {place}, a class that was trained or cannot be chosen; see the observation.")
        self._open[place] = 0
        self._evidence.asked += 1
        self._evidence.add(place, float(self._table.accuracy[place, self._seed]))
        gain = float(self._gains[place])
        found = bool(self._scores[place] >= 1)
        self._best = max(self._best, float(self._scores[place]))
        over = self._evidence.asked >= self.children or not self._open.any()
        return self._observation(), gain, found, over and not found, {}

    @property
    def _gains(self) -> Array:
        gains: Array = np.maximum(self._scores - self._best, 0).astype(np.float32)
        return gains

    def _observation(self) -> dict[str, Any]:
        gains = np.zeros(self.most, np.float32)
        gains[: len(self._scores)] = self._gains
        return {
            "gains": gains * self._open,
            "table": np.array([self._number]),
            "open": self._open.copy(),
            "classes": _filled(self._evidence.of_classes, self.most),
            "symmetries": _filled(self._evidence.of_symmetries, self._symmetries),
        }


def _filled(values: Array, rows: int) -> Array:
    found = np.zeros((rows, values.shape[1]), np.float32)
    found[: len(values)] = values
    return found
