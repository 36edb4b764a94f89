"""Evaluations, the results of trainings.

The store that keeps them, `aen.results.store`, needs SQLAlchemy and is imported by name.
"""

from aen.results.evaluation import Evaluation, TestMeasurement

__all__ = ["Evaluation", "TestMeasurement"]
