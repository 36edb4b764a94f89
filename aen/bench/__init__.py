"""Tables of whole spaces: every class trained on several seeds, to compare agents without training anything."""

from aen.bench.definition import TableDefinition
from aen.bench.evaluator import TableEvaluator
from aen.bench.loading import load
from aen.bench.suites import SUITES, suite
from aen.bench.table import Entry, Table

__all__ = ["SUITES", "Entry", "Table", "TableDefinition", "TableEvaluator", "load", "suite"]
