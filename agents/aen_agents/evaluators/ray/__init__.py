"""The Ray evaluator: children are trained by the actors of a Ray cluster."""
