"""TODO agents/aen_agents/agents/dqn."""
