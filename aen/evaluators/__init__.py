"""Evaluators: from specs to evaluations."""

from aen.evaluators.base import Activity, Evaluator, evaluate, stream
from aen.evaluators.local import LocalEvaluator
from aen.evaluators.tabular import TabularEvaluator

__all__ = ["Activity", "Evaluator", "LocalEvaluator", "TabularEvaluator", "evaluate", "stream"]
