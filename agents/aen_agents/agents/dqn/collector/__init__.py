"""The collector: many environments, each stepping alone, and one DQN that learns from all of them."""

from aen_agents.agents.dqn.collector.explore import explore_asynchronously
from aen_agents.agents.dqn.collector.loop import Collector

__all__ = ["Collector", "explore_asynchronously"]
