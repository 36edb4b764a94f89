"""Gymnasium environments whose states are symmetries of networks.

``gymnasium.make("aen_envs:aen/GroupDecomposition-v0")`` finds them without an import: Gymnasium imports the module
named before the colon. (Since version 1.0 it no longer looks for environments in entry points.) After
``import aen_envs`` the bare id ``aen/GroupDecomposition-v0`` is known too.
"""

from typing import TYPE_CHECKING

import gymnasium

if TYPE_CHECKING:
    from aen_envs.gcnn_design import GCNNDesignEnv as GCNNDesignEnv
    from aen_envs.group_decomposition import GroupDecompositionEnv as GroupDecompositionEnv
    from aen_envs.layerwise_group import LayerwiseGroupEnv as LayerwiseGroupEnv
    from aen_envs.layerwise_relaxation import LayerwiseRelaxationEnv as LayerwiseRelaxationEnv
    from aen_envs.vector import ChildVectorEnv as ChildVectorEnv

__all__ = [
    "ENVIRONMENT_IDS",
    "ChildVectorEnv",
    "GCNNDesignEnv",
    "GroupDecompositionEnv",
    "LayerwiseGroupEnv",
    "LayerwiseRelaxationEnv",
]

# Strings, not classes: torch is imported when an environment is made, not when it is registered.
_ENTRY_POINTS = {
    "aen/GroupDecomposition-v0": "aen_envs.group_decomposition:GroupDecompositionEnv",
    "aen/GCNNDesign-v0": "aen_envs.gcnn_design:GCNNDesignEnv",
    "aen/LayerwiseGroup-v0": "aen_envs.layerwise_group:LayerwiseGroupEnv",
    "aen/LayerwiseRelaxation-v0": "aen_envs.layerwise_relaxation:LayerwiseRelaxationEnv",
}
ENVIRONMENT_IDS = tuple(_ENTRY_POINTS)

# Of several environments in lock-step, for `gymnasium.make_vec`.
_VECTOR_ENTRY_POINTS = {
    "aen/GroupDecomposition-v0": "aen_envs.vector:group_decomposition",
    "aen/GCNNDesign-v0": "aen_envs.vector:gcnn_design",
    "aen/LayerwiseGroup-v0": "aen_envs.vector:layerwise_group",
    "aen/LayerwiseRelaxation-v0": "aen_envs.vector:layerwise_relaxation",
}

for _id, _entry_point in _ENTRY_POINTS.items():
    if _id not in gymnasium.registry:
        gymnasium.register(_id, entry_point=_entry_point, vector_entry_point=_VECTOR_ENTRY_POINTS[_id])


def __getattr__(name: str) -> object:
    if name == "GroupDecompositionEnv":
        from aen_envs.group_decomposition import GroupDecompositionEnv

        return GroupDecompositionEnv
    if name == "GCNNDesignEnv":
        from aen_envs.gcnn_design import GCNNDesignEnv

        return GCNNDesignEnv
    if name == "LayerwiseGroupEnv":
        from aen_envs.layerwise_group import LayerwiseGroupEnv

        return LayerwiseGroupEnv
    if name == "LayerwiseRelaxationEnv":
        from aen_envs.layerwise_relaxation import LayerwiseRelaxationEnv

        return LayerwiseRelaxationEnv
    if name == "ChildVectorEnv":
        from aen_envs.vector import ChildVectorEnv

        return ChildVectorEnv
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
