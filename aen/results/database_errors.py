"""Translating database errors into `StoreError`s that name the store and the remedy."""

import shlex
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from aen._locks import MOUNT_WITH_LOCKS
from aen._secrets import hide_in_address, hide_secrets
from aen.errors import StoreError, did_you_mean

# SQLite reports a limit of the process or a quota of the user as a write error.
_SQLITE_FULL = (
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR_WRITE,
    sqlite3.SQLITE_IOERR_FSYNC,
    sqlite3.SQLITE_IOERR_TRUNCATE,
    sqlite3.SQLITE_IOERR_SHMSIZE,
)
_POSTGRESQL_FULL = "53100"
_DRIVERS = {"psycopg": "psycopg[binary]", "psycopg2": "psycopg2-binary", "MySQLdb": "mysqlclient"}
_DATABASES = ("mssql", "mysql", "mariadb", "oracle", "postgresql", "sqlite")

# Remedies, the ends of messages; `store` is the key of a search's config.
ANOTHER = "name another file or database (store=...)"
MEND = (
    "If it was a result store, put a copy of it back, or move it away: what it held is trained again. Otherwise "
    f"{ANOTHER}."
)
_NO_LOCKS = f"Its file system cannot lock files; {ANOTHER}, or {MOUNT_WITH_LOCKS}."
_MAY_NOT_WRITE = f"Check that this user may write the file and its folder, or {ANOTHER}."
_OF_SQLITE = {
    sqlite3.SQLITE_CANTOPEN: _MAY_NOT_WRITE,
    sqlite3.SQLITE_READONLY: _MAY_NOT_WRITE,
    sqlite3.SQLITE_PERM: _MAY_NOT_WRITE,
    sqlite3.SQLITE_BUSY: "Another process keeps it; end that one, or wait, and start again.",
    sqlite3.SQLITE_CORRUPT: MEND,
    sqlite3.SQLITE_NOTADB: MEND,
    sqlite3.SQLITE_IOERR: f"Check its disk, and that its file system can lock files, or {ANOTHER}.",
    sqlite3.SQLITE_IOERR_LOCK: _NO_LOCKS,
    sqlite3.SQLITE_IOERR_RDLOCK: _NO_LOCKS,
    sqlite3.SQLITE_IOERR_CHECKRESERVEDLOCK: _NO_LOCKS,
    sqlite3.SQLITE_IOERR_SHMLOCK: _NO_LOCKS,
    sqlite3.SQLITE_IOERR_SHMMAP: f"Its file system cannot map files into memory, which SQLite needs; {ANOTHER}.",
    sqlite3.SQLITE_PROTOCOL: _NO_LOCKS,
}


@contextmanager
def database_errors(where: str) -> Iterator[None]:
    """Translate database errors inside the block, SQLAlchemy's and SQLite's, into a StoreError that names the store."""
    try:
        yield
    except (sa.exc.DBAPIError, sqlite3.Error) as error:
        full = disk_full(error)
        if full is not None:
            raise StoreError(
                f"result store {shown(where)} cannot be written ({full}): make room on its disk and start again; what "
                "was stored before is kept."
            ) from error
        original = error.orig if isinstance(error, sa.exc.DBAPIError) else error
        raise StoreError(f"result store {shown(where)}: {_said(original)}{remedy(original)}") from error


def remedy(error: BaseException | None) -> str:
    """Return the remedy of an SQLite error, as the end of a message: only a full stop if none is known."""
    code = getattr(error, "sqlite_errorcode", 0)
    told = _OF_SQLITE.get(code) or _OF_SQLITE.get(code & 0xFF)  # the other bits are the extended error code
    return f". {told}" if told else "."


def disk_full(error: BaseException | None) -> BaseException | None:
    """Return the message that says that the disk is full, or None.

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
        StoreError: no server answers there, or it refuses the login.
    """
    try:
        engine.connect().close()
    except sa.exc.DBAPIError as error:
        raise StoreError(
            f"result store {shown(where)} cannot be reached: {_said(error.orig)}. Check that its server runs, and "
            f"host, port, database, user and password; or {ANOTHER}."
        ) from error


def missing_driver(where: str, error: ModuleNotFoundError) -> StoreError:
    """Return the error of a URL whose driver is not installed."""
    driver = error.name or "its driver"
    install = shlex.join((_python(), "-m", "pip", "install", _DRIVERS.get(driver, driver)))
    return StoreError(
        f"result store {shown(where)} needs {driver}, which is not installed: {install}. Or name a file: store=FILE."
    )


def unknown_database(where: str) -> StoreError:
    """Return the error of a URL that names no database, or no driver, that SQLAlchemy knows."""
    database, _, driver = sa.make_url(where).drivername.partition("+")
    if database in _DATABASES:
        why = f"there is no driver {driver!r} for {database}; leave +{driver} out for the usual one"
    else:
        why = f"{database!r} is no database that SQLAlchemy knows{did_you_mean(database, _DATABASES)}"
    return StoreError(
        f"result store {shown(where)}: {why}. Name a file (store=FILE), or a database's URL, such as "
        "store=postgresql+psycopg://user:password@host:5432/database."
    )


def _python() -> str:
    """Return the path of the running Python, relative to the current folder if it is below it."""
    python, here = Path(sys.executable), Path.cwd()
    return str(python.relative_to(here) if python.is_relative_to(here) else python)


def _said(error: BaseException | None) -> str:
    """Return the database's message in one line, without passwords."""
    return hide_secrets(" ".join(str(error).split()).rstrip(".?"))


def shown(where: str) -> str:
    """Return a store's place as messages may show it: a URL, even a wrong one, without its password."""
    return hide_in_address(where)
