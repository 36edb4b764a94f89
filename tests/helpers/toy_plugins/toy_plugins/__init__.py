"""A package of somebody else: an agent, a data set and an evaluator, which aen finds by their entry points."""
