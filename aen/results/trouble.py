"""What a database says when something is wrong, as errors that name the store and what to do."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from aen.errors import StoreError

# SQLite tells a limit of the process or a quota of the user as an error of writing.
_SQLITE_FULL = (
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR_WRITE,
    sqlite3.SQLITE_IOERR_FSYNC,
    sqlite3.SQLITE_IOERR_TRUNCATE,
    sqlite3.SQLITE_IOERR_SHMSIZE,
)
_POSTGRESQL_FULL = "53100"
_DRIVERS = {"psycopg": "'psycopg[binary]'", "psycopg2": "psycopg2-binary", "MySQLdb": "mysqlclient"}


@contextmanager
def database_errors(where: str) -> Iterator[None]:
    """Turn what the database says inside the block into a StoreError that names the store."""
    try:
        yield
    except sa.exc.DBAPIError as error:
        full = _disk_full(error)
        if full is not None:
            raise StoreError(
                f"result store {shown(where)} cannot be written ({full}): make room on its disk and start again; what "
                "was stored before is kept."
            ) from error
        raise StoreError(f"result store {shown(where)}: {_said(error, where)}") from error


def _disk_full(error: BaseException | None) -> BaseException | None:
    """Return what says that the disk is full, or None.

    SQLite ends the transaction then, so that the last error may be that there is nothing left to roll back.
    """
    while error is not None:
        said = error.orig if isinstance(error, sa.exc.DBAPIError) else error
        state = getattr(said, "sqlstate", None) or getattr(said, "pgcode", None)
        if getattr(said, "sqlite_errorcode", None) in _SQLITE_FULL or state == _POSTGRESQL_FULL:
            return said
        error = error.__context__
    return None


def reach(engine: Engine, where: str) -> None:
    """Connect to a server for the first time.

    Raises:
        StoreError: nobody listens there, or lets us in.
    """
    try:
        engine.connect().close()
    except sa.exc.DBAPIError as error:
        raise StoreError(
            f"result store {shown(where)} cannot be reached: {_said(error, where)}. Check that its server runs, and "
            "host, port, database, user and password; or name a file instead."
        ) from error


def missing_driver(where: str, error: ModuleNotFoundError) -> StoreError:
    """Return the error of a URL whose driver is not installed."""
    driver = error.name or "its driver"
    return StoreError(
        f"result store {shown(where)} needs {driver}, which is not installed: "
        f"pip install {_DRIVERS.get(driver, driver)}, or name a file instead."
    )


def _said(error: sa.exc.DBAPIError, where: str) -> str:
    """Return what the database said, in one line and without the password."""
    said = " ".join(str(error.orig).split()).rstrip(".?")
    password = sa.make_url(where).password if "://" in where else None
    return said.replace(str(password), "***") if password else said


def shown(where: str) -> str:
    """Return a store's place as messages may show it: a URL, even a wrong one, without its password."""
    where = re.sub(r"(://[^:/@]*:).*@", r"\1***@", where)
    return re.sub(r"([?&]password=)[^&]*", r"\1***", where)
