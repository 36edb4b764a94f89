"""Gymnasium environments that search for the symmetries of networks.

``gymnasium.make("aen_envs:aen/GroupDecomposition-v0")`` needs no import: Gymnasium imports the module named before the
colon. (Since version 1.0 it does not look for environments in entry points.) After ``import aen_envs`` the bare id
``aen/GroupDecomposition-v0`` is known too. `make_environment` returns the environment of a space.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from aen_envs.registry import BUILT_IN, ENVIRONMENT_IDS, TABULAR_IDS, make_environment, register

if TYPE_CHECKING:
    from aen_envs.gcnn_design import GCNNDesignEnv as GCNNDesignEnv
    from aen_envs.group_decomposition import GroupDecompositionEnv as GroupDecompositionEnv
    from aen_envs.layerwise_group import LayerwiseGroupEnv as LayerwiseGroupEnv
    from aen_envs.layerwise_relaxation import LayerwiseRelaxationEnv as LayerwiseRelaxationEnv
    from aen_envs.space_env import SpaceEnv as SpaceEnv
    from aen_envs.tabular import GCNNDesignTabularEnv as GCNNDesignTabularEnv
    from aen_envs.tabular import GroupDecompositionTabularEnv as GroupDecompositionTabularEnv
    from aen_envs.tabular_vector import TabularVectorEnv as TabularVectorEnv
    from aen_envs.vector import ChildVectorEnv as ChildVectorEnv

__all__ = [
    "ENVIRONMENT_IDS",
    "TABULAR_IDS",
    "ChildVectorEnv",
    "GCNNDesignEnv",
    "GCNNDesignTabularEnv",
    "GroupDecompositionEnv",
    "GroupDecompositionTabularEnv",
    "LayerwiseGroupEnv",
    "LayerwiseRelaxationEnv",
    "SpaceEnv",
    "TabularVectorEnv",
    "make_environment",
    "register",
]

# Classes are imported when first used, because they import torch.
_MODULES = {
    "ChildVectorEnv": "aen_envs.vector",
    "GCNNDesignTabularEnv": "aen_envs.tabular",
    "GroupDecompositionTabularEnv": "aen_envs.tabular",
    "SpaceEnv": "aen_envs.space_env",
    "TabularVectorEnv": "aen_envs.tabular_vector",
} | {environment.class_name: environment.entry_point.partition(":")[0] for environment in BUILT_IN}


def __getattr__(name: str) -> object:
    if name in _MODULES:
        return getattr(import_module(_MODULES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
