"""The Ray evaluator: children are trained by the actors of a Ray cluster."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aen_agents.evaluators.ray.evaluator import RayEvaluator as RayEvaluator

__all__ = ["RayEvaluator"]


def __getattr__(name: str) -> object:
    if name == "RayEvaluator":  # imported when it is used: workers import this package too, and start sooner without
        from aen_agents.evaluators.ray.evaluator import RayEvaluator

        return RayEvaluator
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
