"""The former place of the DQN agent, which the files ``agent/dqn.zip`` of earlier runs name."""

from aen_agents.agents.dqn.model import ScaledBits, SearchDQN

__all__ = ["ScaledBits", "SearchDQN"]
