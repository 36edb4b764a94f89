"""From a config to its methods."""

from collections.abc import Callable, Mapping, Sequence

from aen.children import EquiNASSpec
from aen.errors import ConfigError, SpecError
from aen_agents.agents.layerwise.baselines import RandomArchitecture, RandomSteps, ResidualPathwayPrior, Static
from aen_agents.agents.layerwise.equinas_d import Discretised, EquiNASD
from aen_agents.agents.layerwise.equinas_e import EquiNASE
from aen_agents.agents.layerwise.method import Method
from aen_agents.agents.layerwise.neighbours import PUBLISHED_MIXED, PUBLISHED_RELAXED, subgroups_of
from aen_agents.config import EquiNASDConfig, EquiNASEConfig

# By which everything is measured: no symmetry.
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


def methods_of(agent: EquiNASEConfig | EquiNASDConfig, child: EquiNASSpec) -> dict[str, Method]:
    """Return the methods of a config by name: the agent's own, those that come after it, and the baselines.

    Args:
        agent: the agent's section.
        child: with the whole training budget.

    Raises:
        ConfigError: subgroups that cannot be.
    """
    evolves = isinstance(agent, EquiNASEConfig)
    try:
        groups = subgroups_of(child.base, agent.subgroups, published=PUBLISHED_RELAXED if evolves else PUBLISHED_MIXED)
        found: list[Method] = []
        if isinstance(agent, EquiNASEConfig):
            slices = agent.generations
            found.append(
                EquiNASE(
                    child,
                    subgroups=groups,
                    generations=agent.generations,
                    population=agent.population,
                    selection=agent.selection,
                    unique=agent.unique,
                )
            )
        else:
            mixed = EquiNASD(
                child,
                subgroups=groups,
                alpha_learning_rate=agent.alpha_learning_rate,
                alpha_data=agent.alpha_data,
                prior=agent.prior,
                skip=agent.skip,
                temperature=agent.temperature,
            )
            slices = mixed.slices
            found.append(mixed)
            found += [Discretised(child, warm=name == "warm") for name in agent.networks]
        names = dict.fromkeys((*agent.baselines, NO_SYMMETRY))
        found += [_BASELINES[name](child, groups, slices) for name in names]
    except SpecError as error:
        raise ConfigError(f"agent: {error}") from error
    _check_starts(found, child)
    return {method.name: method for method in found}


def _check_starts(methods: Sequence[Method], child: EquiNASSpec) -> None:
    """Check that every method has a first child, which some baselines have not where the base is small."""
    wrong: dict[str, SpecError] = {}
    for method in methods:
        try:
            method.start(child.seed, None)
        except SpecError as error:
            wrong[method.name] = error
    if wrong:
        raise ConfigError(
            f"agent.baselines: with child.base={child.base} there can be no {', '.join(wrong)}; leave them out. The "
            f"first says: {next(iter(wrong.values()))}"
        )
