"""ClassChoiceEnv: choose the class to train next, on tables of many data sets; dqn_transfer is trained in it."""

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np

from aen.bench import Table

CLOSE = 0.005  # a class this near to the best one ends an episode


class ClassChoiceEnv(gym.Env[dict[str, Any], np.int64]):
    """An episode is a search on one table, drawn at random; a step trains one class.

    ## Action Space
    `Discrete(most)`: the place of the class, modulo the number of the table's classes.

    ## Observation Space
    `Dict`: `table`, the number of the table; `counts` and `means`: on how many seeds each class was trained, and its
    mean accuracy; `left`: the share of the budget that is left.

    ## Rewards
    1 for the first class whose mean accuracy over all seeds is within half a point of the best one's, else 0.

    ## Episode End
    Termination with the reward; truncation after `children` steps.

    Args:
        tables: to train on.
        children: the budget.
    """

    def __init__(self, tables: Sequence[Table], children: int = 30) -> None:
        self.tables = tuple(tables)
        self.children = children
        self.most = max(len(table.definition.classes) for table in tables)
        self.action_space = gym.spaces.Discrete(self.most)
        self.observation_space = gym.spaces.Dict(
            {
                "table": gym.spaces.Box(0, len(self.tables) - 1, (1,), np.int64),
                "counts": gym.spaces.Box(0, 255, (self.most,), np.float32),
                "means": gym.spaces.Box(0, 1, (self.most,), np.float32),
                "left": gym.spaces.Box(0, 1, (1,), np.float32),
            }
        )
        self._number = 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[dict[str, Any], dict[str, Any]]:
        """Begin a search on a table: ``options={"table": number}`` names it."""
        super().reset(seed=seed)
        drawn = int(self.np_random.integers(len(self.tables)))
        self._number = int((options or {}).get("table", drawn))
        self._table = self.tables[self._number]
        self._counts = np.zeros(self.most, np.float32)
        self._sums = np.zeros(self.most, np.float32)
        self._seeds = self.np_random.permutation(len(self._table.definition.seeds))
        self._steps = 0
        return self._observation(), {}

    def step(self, action: np.int64) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        """Train a class on its next seed."""
        table = self._table
        place = int(action) % len(table.definition.classes)
        seed = self._seeds[int(self._counts[place]) % len(self._seeds)]
        self._counts[place] += 1
        self._sums[place] += table.accuracy[place, seed]
        self._steps += 1
        found = bool(table.regret[place] <= CLOSE)
        info = {"regret": float(table.regret[place])}
        return self._observation(), float(found), found, self._steps >= self.children, info

    def _observation(self) -> dict[str, Any]:
        return {
            "table": np.array([self._number]),
            "counts": self._counts.copy(),
            "means": self._sums / np.maximum(self._counts, 1),
            "left": np.array([1 - self._steps / self.children], np.float32),
        }
