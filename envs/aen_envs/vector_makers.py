"""The vector entry points of all registered environments, as attributes of this module named by environment id.

Gymnasium loads an entry point given as ``"module:attribute"`` and passes it no id. So that one function serves all ids,
``getattr(vector_makers, "aen/GCNNDesign-v0")`` returns `make_vector_environment` bound to that id.
"""

from collections.abc import Callable
from functools import partial

import gymnasium

from aen_envs.vector import ChildVectorEnv, make_vector_environment


def __getattr__(name: str) -> Callable[..., ChildVectorEnv]:
    if name in gymnasium.registry:
        return partial(make_vector_environment, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
