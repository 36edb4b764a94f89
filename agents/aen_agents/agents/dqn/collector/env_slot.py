"""EnvSlot: one environment of the collector, with the step that it waits for."""

from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

import numpy.typing as npt

from aen._typing import JsonDict
from aen.results import Evaluation
from aen_envs.child_env import ChildEnv, PendingStep


@dataclass(eq=False)
class EnvSlot:
    """One environment of the collector.

    Attributes:
        env: the environment.
        number: its number, from 0.
        pending: the step or reset that waits for its children.
        futures: of its children.
        left: how many of them are not done.
        observation: the one before that step; None: the first episode has not begun.
        epsilon: the epsilon with which the action was drawn.
    """

    env: ChildEnv[Any]
    number: int
    pending: PendingStep | None = None
    futures: "list[Future[Evaluation]]" = field(default_factory=list)
    left: int = 0
    observation: npt.NDArray[Any] | None = None
    epsilon: float = 1.0

    @property
    def in_episode(self) -> bool:
        """Whether a further step of the episode follows, now or once the waiting step is done."""
        return self.observation is not None and (self.pending is None or self.pending.action is not None)

    def state(self) -> JsonDict:
        """Return what `Collector.resume` needs, as JSON values."""
        return {
            "episode": None if self.observation is None else self.env.snapshot(),
            "observation": None if self.observation is None else self.observation.tolist(),
            "action": None if self.pending is None else self.pending.action,
            "seed": None if self.pending is None else self.pending.seed,
            "epsilon": self.epsilon,
        }
