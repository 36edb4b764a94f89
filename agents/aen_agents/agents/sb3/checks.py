"""Checks of the agents that are algorithms of Stable-Baselines3; it is not imported for them."""

from importlib.util import find_spec

from aen.children import ChildSpec
from aen.errors import ConfigError
from aen_agents.config.sb3_agents import SB3Config


def check_package(agent: SB3Config, child: ChildSpec) -> None:
    """Check that the library of an algorithm is installed.

    Raises:
        ConfigError: it is not.
    """
    del child
    if find_spec(agent.algorithm.partition(":")[0]) is None:
        raise ConfigError(
            f"agent.name is {agent.name}, which needs {agent.package}; install it: pip install 'aen[contrib]'"
        )
