"""Opens databases: a timeout for servers that do not answer, and SQLite files that commits survive in."""

import sqlite3
import time

import sqlalchemy as sa
from sqlalchemy.engine import Engine

CONNECT_SECONDS = 10
_POSTGRESQL = ("postgresql", "postgresql+psycopg", "postgresql+psycopg2")


def make_engine(url: sa.URL) -> Engine:
    """Return the engine of a database; nothing is connected yet.

    Raises:
        ModuleNotFoundError: its driver is not installed.
        ArgumentError: there is no such kind of database, or the URL does not fit it.
    """
    return sa.create_engine(patient(url), pool_pre_ping=url.get_backend_name() != "sqlite")


def patient(url: sa.URL) -> sa.URL:
    """Set a timeout for PostgreSQL servers that do not answer; the driver's own is minutes."""
    if url.drivername in _POSTGRESQL and "connect_timeout" not in url.query:
        return url.update_query_dict({"connect_timeout": str(CONNECT_SECONDS)})
    return url


def make_durable(engine: Engine, *, busy_seconds: float) -> None:
    """Have connections to an SQLite file wait for other writers, and sync each commit to the disk."""

    @sa.event.listens_for(engine, "connect")
    def _connected(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute(f"PRAGMA busy_timeout={round(1000 * busy_seconds)}")
        connection.execute("PRAGMA synchronous=FULL")


def use_write_ahead_log(engine: Engine, *, busy_seconds: float) -> None:
    """Switch to the write-ahead log, which the file remembers, so that readers and the writer do not wait."""
    deadline = time.monotonic() + busy_seconds
    raw = engine.raw_connection()
    try:
        while True:
            try:
                raw.cursor().execute("PRAGMA journal_mode=WAL")
            except sqlite3.OperationalError as error:
                # SQLite does not always wait for other connections here, whatever its timeout.
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
            else:
                return
    finally:
        raw.close()
