"""Checks of the settings of strategies, before anything is trained."""

from aen.children import ChildSpec
from aen.errors import AenError, SpecError
from aen.spaces import Space
from aen_agents.agents.strategies.successive_halving import rungs_of
from aen_agents.config.strategies import StrategyConfig, SuccessiveHalvingConfig


def check_classes(agent: StrategyConfig, space: Space) -> None:
    """Check that the classes of a space can be listed, which all strategies and the selection stage need.

    Raises:
        SpecError: they cannot.
    """
    try:
        space.classes  # noqa: B018 - computed now
    except AenError as error:
        raise SpecError(
            f"agent {agent.name} needs the list of the space's classes, which cannot be made: {error}"
        ) from error


def check_symmetries(agent: StrategyConfig, space: Space) -> None:
    """Check likewise, and that the images can be tested for the symmetries of a space.

    Raises:
        SpecError: they cannot.
    """
    if not space.symmetry_factors():
        raise SpecError(
            f"agent {agent.name} needs a space of symmetries that images can be tested for; {type(space).__name__} has "
            "none, choose another agent."
        )
    check_classes(agent, space)


def check_rungs(agent: SuccessiveHalvingConfig, child: ChildSpec) -> None:
    """Check that there are epochs for two rungs.

    Raises:
        ConfigError: there are not.
    """
    rungs_of(agent, int(child.training.epochs))
