"""Which environment a step-by-step agent walks through: the one of the task's space."""

from typing import Any

import gymnasium as gym

import aen_envs  # noqa: F401 - registers the environments
from aen.errors import SpecError
from aen.spaces import DecompositionSpace, GCNNSpace, LayerwiseDecompositionSpace
from aen_agents.explorer import Task


def make_environment(task: Task) -> gym.Env[Any, Any]:
    """Return the environment of a task's space, with the settings of its config.

    Raises:
        SpecError: no environment knows this kind of space.
    """
    space, settings = task.space, task.config.environment
    own: dict[str, Any]
    if isinstance(space, DecompositionSpace):
        name, own = "aen/GroupDecomposition-v0", {"child": space.child, "alphabet": space.table.alphabet}
    elif isinstance(space, LayerwiseDecompositionSpace):
        name, own = "aen/LayerwiseGroup-v0", {"child": space.child, "alphabet": space.table.alphabet}
    elif isinstance(space, GCNNSpace):
        name, own = "aen/GCNNDesign-v0", {"space": space, "reference": settings.reference}
    else:
        raise SpecError(f"there is no environment for a {type(space).__name__}; use agent=exhaustive.")
    return gym.make(
        name,
        **own,
        evaluator=task.evaluator,
        reward=settings.reward,
        horizon=settings.horizon,
        stop_action=settings.stop_action,
        child_seed=task.config.seed,
    )
