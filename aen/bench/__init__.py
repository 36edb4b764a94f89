"""Tables of whole spaces: every class trained on several seeds, to compare agents without training anything."""

from aen.bench.definition import TableDefinition
from aen.bench.evaluator import TableEvaluator
from aen.bench.loading import check_tables, load, test_results
from aen.bench.suites import SUITES, definition, definitions, suite, training_tables
from aen.bench.table import Entry, Table

__all__ = [
    "SUITES",
    "Entry",
    "Table",
    "TableDefinition",
    "TableEvaluator",
    "check_tables",
    "definition",
    "definitions",
    "load",
    "suite",
    "test_results",
    "training_tables",
]
