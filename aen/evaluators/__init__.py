"""Evaluators: from specs to evaluations."""

from aen.evaluators.base import Evaluator, evaluate, stream
from aen.evaluators.local import LocalEvaluator

__all__ = ["Evaluator", "LocalEvaluator", "evaluate", "stream"]
