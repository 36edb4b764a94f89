"""Evaluators: from specs to evaluations."""

from aen.evaluators.base import Activity, Evaluator, evaluate, stream
from aen.evaluators.local import LocalEvaluator

__all__ = ["Activity", "Evaluator", "LocalEvaluator", "evaluate", "stream"]
