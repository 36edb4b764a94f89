"""TODO agents/aen_agents/evaluators/ray."""
