"""TODO agents/aen_agents/cli."""
