"""Evaluators: objects that train children, or look them up, and return evaluations."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aen.evaluators.base import Activity as Activity
    from aen.evaluators.base import Evaluator as Evaluator
    from aen.evaluators.base import InTraining as InTraining
    from aen.evaluators.base import evaluate as evaluate
    from aen.evaluators.base import stream as stream
    from aen.evaluators.base import submit_checked as submit_checked
    from aen.evaluators.local import LocalEvaluator as LocalEvaluator
    from aen.evaluators.tabular import TabularEvaluator as TabularEvaluator

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

# Read when they are first used: a process that only asks for evaluations needs no torch, which takes seconds to import.
_PLACES = {
    "Activity": "aen.evaluators.base",
    "Evaluator": "aen.evaluators.base",
    "InTraining": "aen.evaluators.base",
    "LocalEvaluator": "aen.evaluators.local",
    "TabularEvaluator": "aen.evaluators.tabular",
    "evaluate": "aen.evaluators.base",
    "stream": "aen.evaluators.base",
    "submit_checked": "aen.evaluators.base",
}


def __getattr__(name: str) -> object:
    if name in _PLACES:
        return getattr(import_module(_PLACES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
