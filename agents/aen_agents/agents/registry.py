"""From a configuration to its agent."""

from pkgutil import resolve_name

from aen.children import ChildSpec
from aen.spaces import Space
from aen_agents.agents.base import Explorer, Task
from aen_agents.config import SearchConfig


def check_agent(config: SearchConfig, child: ChildSpec, space: Space) -> None:
    """Check what can be known of an agent before anything is trained.

    Args:
        config: the search.
        child: the baseline's child.
        space: the children to choose among.

    Raises:
        AenError: the agent cannot work on this child or this space.
    """
    if config.agent.check is not None:
        resolve_name(config.agent.check)(config.agent, child)
    if config.agent.check_space is not None:
        resolve_name(config.agent.check_space)(config.agent, space)


def make_explorer(task: Task) -> Explorer:
    """Return the agent that the config names; its module, which may import a large library, is imported now."""
    explorer: Explorer = resolve_name(task.config.agent.explorer)(task)
    return explorer
