"""The suites: tables that belong together, by name. Which tables agents may learn on is fixed here."""

from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module

from aen.bench.definition import TableDefinition
from aen.errors import TableError, did_you_mean

# Each a function that returns the definitions, as "module:function"; it is imported when the suite is first used.
SUITES: Mapping[str, str] = {"digits": "aen.bench.digits:tables"}


@cache
def suite(name: str) -> tuple[TableDefinition, ...]:
    """Return the definitions of the tables of a suite.

    Raises:
        TableError: there is no such suite.
    """
    if name not in SUITES:
        raise TableError(f"unknown suite {name!r}{did_you_mean(name, SUITES)}.")
    module, _, function = SUITES[name].partition(":")
    found: Callable[[], tuple[TableDefinition, ...]] = getattr(import_module(module), function)
    return found()


def definition(name: str) -> TableDefinition:
    """Return the definition of a table.

    Raises:
        TableError: there is no such table.
    """
    known = {table.name: table for each in SUITES for table in suite(each)}
    if name not in known:
        raise TableError(f"unknown table {name!r}{did_you_mean(name, known)}.")
    return known[name]
