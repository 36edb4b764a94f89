"""The table of environments: the id and the class of the environment of each type of space."""

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

import gymnasium

from aen.errors import SpecError

if TYPE_CHECKING:
    from aen.evaluators import Evaluator
    from aen.spaces import Space
    from aen_envs.child_env import ChildEnv


@dataclass(frozen=True)
class RegisteredEnvironment:
    """An environment of the table.

    Names are strings, not classes, so that torch is imported when an environment is made, not when it is registered.

    Attributes:
        space: the type of its space, as ``"module:Class"``.
        id: its id in Gymnasium's registry, such as ``aen/GCNNDesign-v0``.
        entry_point: its class, as ``"module:Class"``; a subclass of `ChildEnv`.
    """

    space: str
    id: str
    entry_point: str

    @property
    def class_name(self) -> str:
        """The name of the class, without its module."""
        return self.entry_point.partition(":")[2]


_table: dict[str, RegisteredEnvironment] = {}


def register(space: "type[Space] | str", environment_id: str, entry_point: str) -> RegisteredEnvironment:
    """Add an environment to the table and to Gymnasium's registry.

    `make_environment`, ``gymnasium.make`` and ``gymnasium.make_vec`` then find it.

    Args:
        space: the type of its space, or its name as ``"module:Class"``; subclasses use the environment too, unless they
            have one of their own.
        environment_id: its id in Gymnasium's registry.
        entry_point: its class, as ``"module:Class"``: a subclass of `ChildEnv`, such as
            ``"aen_envs.space_env:SpaceEnv"``.

    Raises:
        SpecError: another environment is registered for this type of space, or under this id.
    """
    name = space if isinstance(space, str) else _name_of(space)
    added = RegisteredEnvironment(name, environment_id, entry_point)
    for known in _table.values():
        if known != added and (known.space == name or known.id == environment_id):
            raise SpecError(
                f"cannot register {environment_id} for {name}: {known.id} is registered for {known.space}; choose "
                "another id, or a subclass of the space."
            )
    _table[name] = added
    if environment_id not in gymnasium.registry:
        vector_entry_point = f"aen_envs.vector_makers:{environment_id}"
        gymnasium.register(environment_id, entry_point=entry_point, vector_entry_point=vector_entry_point)
    return added


def _name_of(space: type) -> str:
    return f"{space.__module__}:{space.__qualname__}"


def find_environment(space: "Space") -> RegisteredEnvironment:
    """Return the environment that is registered for the type of a space.

    Raises:
        SpecError: there is none.
    """
    for each in type(space).__mro__:
        found = _table.get(_name_of(each))
        if found is not None:
            return found
    raise SpecError(
        f"there is no environment for a {type(space).__name__}; register one with aen_envs.register, or use an agent "
        "that needs no environment, such as agent=exhaustive."
    )


def environment_class(space: "Space") -> "type[ChildEnv[Any]]":
    """Return the class of the environment that is registered for the type of a space.

    Raises:
        SpecError: there is none.
    """
    module, _, name = find_environment(space).entry_point.partition(":")
    found: type[ChildEnv[Any]] = getattr(import_module(module), name)
    return found


def make_environment(
    space: "Space",
    evaluator: "Evaluator | None" = None,
    **settings: Any,  # noqa: ANN401 - of any setting
) -> gymnasium.Env[Any, Any]:
    """Return the environment of a space, made by ``gymnasium.make``.

    Args:
        space: the space; its children keep their seed.
        evaluator: trains children or looks them up; by default the environment's own.
        settings: further arguments of the environment, such as `horizon`.

    Raises:
        SpecError: no environment is registered for this type of space, or a setting is wrong.
    """
    arguments = environment_class(space).arguments_for(space, **settings)
    return gymnasium.make(find_environment(space).id, evaluator=evaluator, **arguments)


BUILT_IN = tuple(
    register(*row)
    for row in (
        (
            "aen.spaces.decompositions:DecompositionSpace",
            "aen/GroupDecomposition-v0",
            "aen_envs.group_decomposition:GroupDecompositionEnv",
        ),
        ("aen.spaces.gcnn:GCNNSpace", "aen/GCNNDesign-v0", "aen_envs.gcnn_design:GCNNDesignEnv"),
        (
            "aen.spaces.layerwise_decompositions:LayerwiseDecompositionSpace",
            "aen/LayerwiseGroup-v0",
            "aen_envs.layerwise_group:LayerwiseGroupEnv",
        ),
        (
            "aen.spaces.relaxations:RelaxationSpace",
            "aen/LayerwiseRelaxation-v0",
            "aen_envs.layerwise_relaxation:LayerwiseRelaxationEnv",
        ),
    )
)
ENVIRONMENT_IDS = tuple(environment.id for environment in BUILT_IN)

# Environments over benchmark tables. A table has its space, so they are found by their id only.
_TABULAR = {
    "aen/GroupDecompositionTabular-v0": "GroupDecompositionTabularEnv",
    "aen/GCNNDesignTabular-v0": "GCNNDesignTabularEnv",
}
TABULAR_IDS = tuple(_TABULAR)
for _id, _name in _TABULAR.items():
    if _id not in gymnasium.registry:
        gymnasium.register(
            _id,
            entry_point=f"aen_envs.tabular:{_name}",
            vector_entry_point=f"aen_envs.tabular_vector:{_name.removesuffix('Env')}",
        )
