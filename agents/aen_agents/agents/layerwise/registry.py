"""Makes the layer-wise methods of a config."""

from collections.abc import Callable, Mapping, Sequence
from pkgutil import resolve_name

from aen.children import EquiNASSpec
from aen.errors import ConfigError, SpecError
from aen_agents.agents.layerwise.baselines import RandomArchitecture, RandomSteps, ResidualPathwayPrior, Static
from aen_agents.agents.layerwise.method import Method
from aen_agents.agents.layerwise.neighbours import subgroups_of
from aen_agents.config import LayerwiseConfig

# The baseline of all comparisons: no symmetry.
NO_SYMMETRY = "static_c1"

_BASELINES: Mapping[str, Callable[[EquiNASSpec, tuple[str, ...], int], Method]] = {
    "static_c1": lambda child, _groups, _slices: Static(child),
    "static_c4": lambda child, _groups, _slices: Static(child, group="C4"),
    "static_d4": lambda child, _groups, _slices: Static(child, group="D4"),
    "c4_from_d4": lambda child, _groups, _slices: Static(child, group="C4", drawn_as="D4"),
    "c1_from_d4": lambda child, _groups, _slices: Static(child, drawn_as="D4"),
    "c1_from_c4": lambda child, _groups, _slices: Static(child, drawn_as="C4"),
    "rpp": lambda child, _groups, _slices: ResidualPathwayPrior(child),
    "random_architecture": lambda child, groups, _slices: RandomArchitecture(child, subgroups=groups),
    "random_steps": lambda child, groups, slices: RandomSteps(child, subgroups=groups, generations=slices),
}
BASELINES = tuple(_BASELINES)


def methods_of(agent: LayerwiseConfig, child: EquiNASSpec) -> dict[str, Method]:
    """Return the methods of a config by name: the agent's own, those that start from it, and the baselines.

    Args:
        agent: the agent's section.
        child: the child with the whole training budget.

    Raises:
        ConfigError: the subgroups are invalid, or a baseline does not exist for the base.
    """
    try:
        groups = layer_groups(agent, child)
        found: list[Method] = resolve_name(agent.methods)(agent, child, groups)
        names = dict.fromkeys((*agent.baselines, NO_SYMMETRY))
        slices = found[0].slices
        found += [_BASELINES[name](child, groups, slices) for name in names]
    except SpecError as error:
        raise ConfigError(f"agent: {error}") from error
    _check_starts(found, child)
    return {method.name: method for method in found}


def layer_groups(agent: LayerwiseConfig, child: EquiNASSpec) -> tuple[str, ...]:
    """Return the groups that layers may have, the largest first.

    Raises:
        SpecError: the subgroups are invalid.
    """
    return subgroups_of(child.base, agent.subgroups, published=agent.published_subgroups)


def _check_starts(methods: Sequence[Method], child: EquiNASSpec) -> None:
    """Check that every method has a first child; for a small base some baselines do not exist."""
    wrong: dict[str, SpecError] = {}
    for method in methods:
        try:
            method.start(child.seed, None)
        except SpecError as error:
            wrong[method.name] = error
    if wrong:
        raise ConfigError(
            f"agent.baselines: {', '.join(wrong)} cannot be used with child.base={child.base}; leave them out. Reason "
            f"for the first: {next(iter(wrong.values()))}"
        )
