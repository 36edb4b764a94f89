"""Which environment a step-by-step agent walks through: the one of the task's space."""

from dataclasses import replace
from typing import Any

import gymnasium as gym

import aen_envs  # noqa: F401 - registers the environments
from aen.errors import SpecError
from aen.spaces import DecompositionSpace, GCNNSpace, LayerwiseDecompositionSpace, RelaxationSpace
from aen_agents.agents.base import Task


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
    elif isinstance(space, RelaxationSpace):
        return _relaxation(task, space)
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


def _relaxation(task: Task, space: RelaxationSpace) -> gym.Env[Any, Any]:
    """Return the environment whose actions are morphisms; a slice is its part of the training budget."""
    settings = task.config.environment
    whole = space.child.training
    slice_of = replace(whole, epochs=whole.epochs / (settings.slices + 1))
    return gym.make(
        "aen/LayerwiseRelaxation-v0",
        child=replace(space.child, training=slice_of),
        groups=space.groups,
        evaluator=task.evaluator,
        inherit=settings.inherit,
        slices=settings.slices,
        horizon=max(settings.horizon, settings.slices),
        parameter_price=settings.parameter_price,
        child_seed=task.config.seed,
    )
