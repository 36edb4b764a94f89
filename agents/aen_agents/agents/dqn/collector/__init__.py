"""Asynchronous exploring: many environments that each step as soon as they can, and one DQN that learns from all."""

from aen_agents.agents.dqn.collector.explore import explore_asynchronously
from aen_agents.agents.dqn.collector.loop import Collector

__all__ = ["Collector", "explore_asynchronously"]
