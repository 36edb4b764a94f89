"""Makes the layer-wise methods of a config."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pkgutil import resolve_name

from aen.children import EquiNASSpec
from aen.errors import ConfigError, SpecError
from aen_agents.agents.layerwise.baselines import (
    Architecture,
    RandomArchitecture,
    RandomSteps,
    ResidualPathwayPrior,
    Static,
)
from aen_agents.agents.layerwise.equinas_e import EquiNASE
from aen_agents.agents.layerwise.method import Method, epochs_of
from aen_agents.agents.layerwise.neighbours import Steps, check_reachable, subgroups_of
from aen_agents.config import LayerwiseConfig

# The baseline of all comparisons: no symmetry.
NO_SYMMETRY = "static_c1"


@dataclass(frozen=True)
class _Options:
    """The settings of a search that baselines depend on: the groups of layers, and the generations and their steps."""

    groups: tuple[str, ...]
    generations: int
    steps: Steps


_BASELINES: Mapping[str, Callable[[EquiNASSpec, _Options], Method]] = {
    "static_c1": lambda child, _: Static(child),
    "static_c4": lambda child, _: Static(child, group="C4"),
    "static_d4": lambda child, _: Static(child, group="D4"),
    "c4_from_d4": lambda child, _: Static(child, group="C4", drawn_as="D4"),
    "c1_from_d4": lambda child, _: Static(child, drawn_as="D4"),
    "c1_from_c4": lambda child, _: Static(child, drawn_as="C4"),
    "rpp": lambda child, _: ResidualPathwayPrior(child),
    "random_architecture": lambda child, options: RandomArchitecture(child, subgroups=options.groups),
    "random_steps": lambda child, options: RandomSteps(
        child, subgroups=options.groups, generations=options.generations, steps=options.steps
    ),
}
BASELINES = tuple(_BASELINES)


def methods_of(agent: LayerwiseConfig, child: EquiNASSpec) -> dict[str, Method]:
    """Return the methods of a config by name: the agent's own, those that start from it, and the baselines.

    Args:
        agent: the agent's section.
        child: the child with the whole training budget. If it has any symmetry, its groups are the architecture that
            the config names (``child.groups``), which is trained, too.

    Raises:
        ConfigError: the subgroups are invalid, or a baseline does not exist for the base.
    """
    try:
        groups = layer_groups(agent, child)
        found: list[Method] = resolve_name(agent.methods)(agent, child, groups)
        named = [Architecture(child, groups=child.layer_groups)] if set(child.layer_groups) != {"C1"} else []
        if any(isinstance(method, EquiNASE) for method in found) or "random_steps" in agent.baselines:
            check_reachable(child.base, groups, agent.steps)
        options = _Options(groups, (found[0].slices if found else epochs_of(child)) - 1, agent.steps)
        found += named
        found += [_BASELINES[name](child, options) for name in dict.fromkeys((*agent.baselines, NO_SYMMETRY))]
    except SpecError as error:
        raise ConfigError(f"agent: {error}") from error
    _check_starts(found, child)
    return {method.name: method for method in found}


def no_methods(agent: LayerwiseConfig, child: EquiNASSpec, groups: tuple[str, ...]) -> list[Method]:
    """Return no methods: the agent trains only baselines and the named architecture."""
    del agent, child, groups
    return []


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
