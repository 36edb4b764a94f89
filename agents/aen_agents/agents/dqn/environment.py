"""The environment of a step-by-step agent: that of the task's space, with the settings of the config."""

from typing import Any

import gymnasium as gym

import aen_envs
from aen_agents.agents.base import Task
from aen_envs.registry import environment_class


def make_environment(task: Task) -> gym.Env[Any, Any]:
    """Return the environment of a task's space, with the settings of its config's section `environment`.

    Raises:
        SpecError: no environment is registered for this type of space.
    """
    section = task.config.environment
    settings = {name: getattr(section, name) for name in environment_class(task.space).settings}
    return aen_envs.make_environment(task.space, task.evaluator, **settings)
