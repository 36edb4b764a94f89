"""Inserting rows of which some may exist already, with SQL that every database supports."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from aen.results.rows import chunks

# Errors of a row that exists already, or whose values its columns do not accept.
_REFUSED = (sa.exc.IntegrityError, sa.exc.DataError, OverflowError)


def present(connection: Connection, keys: Sequence[str], *columns: sa.Column[Any]) -> dict[str, sa.Row[Any]]:
    """Return the rows of a table with some of the keys, by key; `columns` are of one table, the key first."""
    query, key = sa.select(*columns), columns[0]
    return {row[0]: row for some in chunks(keys) for row in connection.execute(query.where(key.in_(some)))}


def insert_missing(
    connection: Connection, table: sa.Table, rows: Sequence[dict[str, Any]], *columns: sa.Column[Any]
) -> tuple[dict[str, sa.Row[Any]], dict[str, str]]:
    """Insert rows with different keys, but leave those alone whose key is there.

    Args:
        connection: in a transaction that may write.
        table: where to insert.
        rows: values by column, in the order of keys, so that processes never wait for each other in a circle.
        columns: what to read of the rows that are there, the key first.

    Returns:
        The rows that were there, by key; and why the database refused a row, by the key of each that it did.
    """
    known = present(connection, [row["key"] for row in rows], *columns)
    missing = [row for row in rows if row["key"] not in known]
    if not missing:
        return known, {}
    try:
        with connection.begin_nested():
            connection.execute(table.insert(), missing)
    except _REFUSED:
        # Another process has just inserted one of them, or the columns do not accept one.
        refused = _one_by_one(connection, table, missing)
        known |= present(connection, list(refused), *columns)
        return known, {key: why for key, why in refused.items() if key not in known}
    return known, {}


def _one_by_one(connection: Connection, table: sa.Table, rows: Sequence[dict[str, Any]]) -> dict[str, str]:
    refused = {}
    for row in rows:
        try:
            with connection.begin_nested():
                connection.execute(table.insert().values(row))
        except _REFUSED as error:
            refused[row["key"]] = str(getattr(error, "orig", error))
    return refused
