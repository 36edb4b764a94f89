"""ChildEnv: what all environments have in common that walk from child to child."""

from abc import abstractmethod
from typing import Any, TypeVar

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from aen.children import ChildSpec
from aen.errors import SpecError, did_you_mean
from aen.evaluators import Evaluator, LocalEvaluator
from aen.results import Evaluation

Observation = TypeVar("Observation")


class ChildEnv(gym.Env[Observation, np.int64]):
    """An environment in which each state has a child, whose accuracy counts.

    Args:
        evaluator: trains children or looks them up; None: one of the environment's own.
        horizon: steps until truncation.
        render_mode: ``ansi``, ``rgb_array`` or None.

    Raises:
        SpecError: an unknown render mode, or a horizon below 1.
    """

    metadata: dict[str, Any] = {"render_modes": ["ansi", "rgb_array"], "render_fps": 4}  # noqa: RUF012

    def __init__(self, *, evaluator: Evaluator | None, horizon: int, render_mode: str | None) -> None:
        super().__init__()
        if horizon < 1:
            raise SpecError(f"horizon is {horizon}; an episode needs at least 1 step.")
        if render_mode is not None and render_mode not in self.metadata["render_modes"]:
            modes = self.metadata["render_modes"]
            raise SpecError(f"unknown render_mode {render_mode!r}{did_you_mean(render_mode, modes)}.")
        self._owns_evaluator = evaluator is None
        self.evaluator: Evaluator = evaluator or self._own_evaluator()
        self.horizon = horizon
        self.render_mode = render_mode
        # Of every child of the episode so far; none before the first reset.
        self._accuracies: list[float] = []
        self._baseline = 0.0
        self._met: set[str] = set()

    @abstractmethod
    def text(self) -> str:
        """Return the state in a few lines of text."""

    @abstractmethod
    def picture(self) -> npt.NDArray[np.uint8]:
        """Return the state as an RGB picture."""

    def _own_evaluator(self) -> Evaluator:
        """Return the evaluator to use if none is handed in: in this process, results kept in memory."""
        return LocalEvaluator()

    def render(self) -> Any:  # noqa: ANN401 - gymnasium: RenderFrame, which is Any
        """Return the state as text or as an RGB picture, by the render mode."""
        if self.render_mode is None or not self._accuracies:
            return None
        return self.text() if self.render_mode == "ansi" else self.picture()

    def close(self) -> None:
        """Close the evaluator, unless it was handed in: others may use it."""
        if self._owns_evaluator:
            self.evaluator.close()

    def _check_action(self, action: np.int64 | int) -> int:
        """Return an action as an integer.

        Raises:
            SpecError: there is no such action, or no episode.
        """
        if not self._accuracies:
            raise SpecError("step was called before reset; call reset first.")
        if action not in self.action_space:
            raise SpecError(f"action is {action!r}; choose 0 to {int(self.action_space.n) - 1}.")  # type: ignore[attr-defined]
        return int(action)

    def _describe(self, spec: ChildSpec, evaluation: Evaluation, *, state: int, met_as: str) -> dict[str, Any]:
        """Return what `info` says of a child in every environment.

        Args:
            spec: the child.
            evaluation: its.
            state: the state as one number.
            met_as: by which name it is known whether the child was met before.
        """
        met = met_as in self._met
        self._met.add(met_as)
        return {
            "accuracy": evaluation.validation_accuracy,
            "baseline_accuracy": self._baseline,
            "status": evaluation.status,
            "state": state,
            "factors": spec.name,
            "class_key": evaluation.class_key,
            "group": spec.group,
            "parameters": evaluation.parameters,
            "looked_up": met,
            "seconds": evaluation.seconds,
        }
