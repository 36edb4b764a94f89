"""Opens databases: a timeout for servers that do not answer, and SQLite files that commits survive in."""

import sqlite3
import time
import warnings

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
    is_file = url.get_backend_name() == "sqlite"
    if is_file:
        _check_file_url(url)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", sa.exc.SAWarning)  # of a setting that it would ignore
            return sa.create_engine(patient(url), pool_pre_ping=not is_file)
    except (sa.exc.SAWarning, ValueError, TypeError) as error:
        text = str(error).partition(";")[0]
        raise sa.exc.ArgumentError(f"its settings {', '.join(url.query)} cannot be used ({text})") from error


def _check_file_url(url: sa.URL) -> None:
    """Refuse names of SQLite files that are not paths: what aen does with a file, it does by its path."""
    path = url.database or ""
    if "\0" in path:
        raise sa.exc.ArgumentError("the name of its file has a character of value 0")
    if path.startswith("file:") or "uri" in url.query:
        raise sa.exc.ArgumentError("its file is an URI of SQLite (uri=true); give its path")


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
