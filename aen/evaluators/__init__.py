"""Evaluators: objects that train children, or look them up, and return evaluations."""

from aen.evaluators.base import Activity, Evaluator, InTraining, evaluate, stream, submit_checked
from aen.evaluators.local import LocalEvaluator
from aen.evaluators.tabular import TabularEvaluator

__all__ = [
    "Activity",
    "Evaluator",
    "InTraining",
    "LocalEvaluator",
    "TabularEvaluator",
    "evaluate",
    "stream",
    "submit_checked",
]
