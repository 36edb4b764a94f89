"""TODO agents/aen_agents/runs."""
