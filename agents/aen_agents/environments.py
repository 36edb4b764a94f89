"""Which environment a step-by-step agent walks through: the one of the task's space."""

from typing import Any

import gymnasium as gym

import aen_envs  # noqa: F401 - registers the environments
from aen.errors import SpecError
from aen.spaces import DecompositionSpace
from aen_agents.explorer import Task


def make_environment(task: Task) -> gym.Env[Any, Any]:
    """Return the environment of a task's space, with the settings of its config.

    Raises:
        SpecError: no environment knows this kind of space.
    """
    space, settings = task.space, task.config.environment
    if not isinstance(space, DecompositionSpace):
        raise SpecError(f"there is no environment for a {type(space).__name__}; use agent=exhaustive.")
    return gym.make(
        "aen/GroupDecomposition-v0",
        child=space.child,
        alphabet=space.table.alphabet,
        evaluator=task.evaluator,
        reward=settings.reward,
        horizon=settings.horizon,
        stop_action=settings.stop_action,
        child_seed=task.config.seed,
    )
