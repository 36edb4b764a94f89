"""The suites: tables that belong together, by name. Which tables agents may learn on is fixed here."""

from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module

from aen.bench.definition import TableDefinition
from aen.errors import TableError, did_you_mean

# Each a function that returns the definitions, as "module:function"; it is imported when the suite is first used.
SUITES: Mapping[str, str] = {
    "digits": "aen.bench.suites.digits:tables",
    "gmnist": "aen.bench.suites.gmnist:gmnist",
    "gfashion": "aen.bench.suites.gmnist:gfashion",
    "gcnn": "aen.bench.suites.gcnn:tables",
    "layerwise": "aen.bench.suites.layerwise:tables",
    "products": "aen.bench.suites.products:tables",
}


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
    # The suite of the same beginning first: making the definitions of all suites takes a while.
    known: dict[str, TableDefinition] = {}
    for each in sorted(SUITES, key=lambda each: not name.startswith(f"{each}-")):
        known |= {table.name: table for table in suite(each)}
        if name in known:
            return known[name]
    raise TableError(f"unknown table {name!r}{did_you_mean(name, known)}.")


def definitions(name: str) -> tuple[TableDefinition, ...]:
    """Return the definitions of the tables of a suite, or that of a table.

    Raises:
        TableError: there is no suite and no table of this name.
    """
    if name in SUITES:
        return suite(name)
    try:
        return (definition(name),)
    except TableError:
        names = [*SUITES, *(table.name for each in SUITES for table in suite(each))]
        raise TableError(f"unknown suite or table {name!r}{did_you_mean(name, names)}.") from None


def training_tables(name: str) -> tuple[TableDefinition, ...]:
    """Return the tables of a suite, or the table, that agents may learn on and be tuned on.

    Code that learns or tunes asks for its tables here, so that no held-out table reaches it.

    Raises:
        TableError: there is none: the table, or every table of the suite, is held out.
    """
    found = tuple(table for table in definitions(name) if table.part == "training")
    if not found:
        raise TableError(
            f"{name} is held out: agents are judged on it and must not be trained or tuned on it; choose from the "
            f"suites {', '.join(each for each in SUITES if any(t.part == 'training' for t in suite(each)))}."
        )
    return found
