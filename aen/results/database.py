"""The database of a result store: its tables, and opening it without changing databases that are not result stores."""

import errno
import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from aen._databases import make_durable, make_engine, use_write_ahead_log
from aen._files import cannot_read, permits, sync_folder
from aen._locks import MOUNT_WITH_LOCKS, NoLocksError, check_record_locks
from aen._secrets import hide_secrets, remember_address, remember_secret
from aen.errors import StoreError
from aen.results.database_errors import (
    ANOTHER,
    MEND,
    database_errors,
    missing_driver,
    reach,
    remedy,
    shown,
    unknown_database,
)
from aen.results.read_only import BUSY_SECONDS, ReadOnlyFile, may_write

VERSION = "3"
_METADATA = sa.MetaData()
INFO = sa.Table(
    "aen_store",
    _METADATA,
    sa.Column("name", sa.String(32), primary_key=True),
    sa.Column("value", sa.String(256), nullable=False),
)
EVALUATIONS = sa.Table(
    "evaluations",
    _METADATA,
    sa.Column("key", sa.String(64), primary_key=True),
    sa.Column("class_key", sa.String(64), nullable=False, index=True),
    sa.Column("seed", sa.BigInteger, nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("train_loss", sa.Double, nullable=False),
    sa.Column("train_accuracy", sa.Double, nullable=False),
    sa.Column("validation_loss", sa.Double, nullable=False),
    sa.Column("validation_accuracy", sa.Double, nullable=False),
    sa.Column("parameters", sa.BigInteger, nullable=False),
    sa.Column("epochs", sa.Double, nullable=False),
    sa.Column("seconds", sa.Double, nullable=False),
    sa.Column("device", sa.String(128), nullable=False),
    sa.Column("threads", sa.Integer, nullable=False),
    sa.Column("population", sa.Integer, nullable=False),
    sa.Column("weights", sa.String(256)),
    sa.Column("record", sa.JSON(none_as_null=True)),
    sa.Column("spec", sa.Text, nullable=False),
    sa.Column("finished_at", sa.Double, nullable=False),
)
LEASES = sa.Table(
    "leases",
    _METADATA,
    sa.Column("key", sa.String(64), primary_key=True),
    sa.Column("owner", sa.String(128), nullable=False, index=True),
    sa.Column("heartbeat", sa.Double, nullable=False),
)
# A process that ended in the middle of a transaction: only a connection that may write can undo or finish it.
_CUT_SHORT = (
    sqlite3.SQLITE_READONLY_ROLLBACK,
    sqlite3.SQLITE_READONLY_RECOVERY,
    sqlite3.SQLITE_READONLY_CANTINIT,
)
READ_ONLY = {"aen_read_only": True}


def open_database(where: str, *, create: bool) -> Engine:
    """Open the database of a result store.

    Args:
        where: path of an SQLite file, or any SQLAlchemy URL.
        create: make the tables if there is nothing yet. Otherwise an SQLite file that this user may not write is opened
            for reading alone.

    Raises:
        StoreError: it cannot be opened, is damaged, is not a result store, or is of another version.
    """
    engine = _connect(where, create=create)
    with database_errors(where):
        try:
            version = _version(engine, where, create=create)
        except (sa.exc.ProgrammingError, sa.exc.IntegrityError):
            # A second process that creates the same store waits on SQLite; on PostgreSQL it gets an error.
            version = _version(engine, where, create=create)
    if version != VERSION:
        raise StoreError(
            f"result store {shown(where)} has version {version}, this aen reads {VERSION}; use the aen that "
            f"created it, or {ANOTHER}."
        )
    if engine.dialect.name == "sqlite" and not _reads_only(engine):
        with database_errors(where):
            use_write_ahead_log(engine, busy_seconds=BUSY_SECONDS)
    return engine


def _connect(where: str, *, create: bool) -> Engine:
    """Return the engine of an existing database, or of an SQLite file that is intact or does not exist yet."""
    remember_address(where)
    try:
        url = sa.make_url(where) if "://" in where else sa.URL.create("sqlite", database=where)
    except (sa.exc.ArgumentError, ValueError) as error:
        raise StoreError(
            f"result store {shown(where)} is neither a path nor a database's URL, such as "
            "store=postgresql+psycopg://user:password@host:5432/database."
        ) from error
    if url.password is not None:
        remember_secret(str(url.password))
    try:
        engine = make_engine(url)
    except ModuleNotFoundError as error:
        raise missing_driver(where, error) from error
    except sa.exc.NoSuchModuleError as error:
        raise unknown_database(where) from error
    except sa.exc.ArgumentError as error:
        raise StoreError(f"result store {shown(where)}: {hide_secrets(str(error))}; {ANOTHER}.") from error
    if engine.dialect.name != "sqlite":
        reach(engine, where)
        return engine
    if url.database in (None, "", ":memory:"):
        raise StoreError(
            f"result store {where} would end with this process; name a file (store=FILE), or use an evaluator without "
            "a store."
        )
    path = Path(url.database)
    read_only = _check_sqlite_file(path, create=create)
    if read_only is not None:
        # Without a pool: each transaction connects again, since other processes may write the file.
        engine = sa.create_engine(
            "sqlite://", creator=read_only.connect, poolclass=sa.NullPool, execution_options=READ_ONLY
        )
        sa.event.listen(engine, "engine_disposed", lambda _: read_only.close())
    _prepare_sqlite(engine)
    return engine


def _version(engine: Engine, where: str, *, create: bool) -> str | None:
    """Return the version of the store, which is created if it does not exist, in one transaction."""
    with (engine if create else engine.execution_options(**READ_ONLY)).begin() as connection:
        tables = sa.inspect(connection).get_table_names()
        if not tables:
            if not create:
                raise StoreError(f"result store {shown(where)} does not exist.")
            _METADATA.create_all(connection)
            connection.execute(INFO.insert().values(name="version", value=VERSION))
        elif INFO.name not in tables:
            raise StoreError(_foreign(shown(where), tables))
        return connection.execute(sa.select(INFO.c.value).where(INFO.c.name == "version")).scalar()


def _foreign(where: str, tables: Sequence[str]) -> str:
    return f"{where} is a database, but not a result store of aen (its tables: {', '.join(sorted(tables))}); {ANOTHER}."


def _not_sqlite(path: Path) -> StoreError:
    return StoreError(f"result store {path} is not an SQLite file, or its head is damaged. {MEND}")


def _check_sqlite_file(path: Path, *, create: bool) -> ReadOnlyFile | None:
    """Check an SQLite file before it is opened, and return it as a read-only one if this user may not write it.

    Args:
        path: the file.
        create: whether it may be missing; an empty file is then made.
    """
    try:
        read_only = ReadOnlyFile(path) if path.is_file() and not may_write(path) else None
        if read_only is None:
            # SQLite takes ENOLCK for a lock that another process holds, and waits for it.
            check_record_locks(Path(os.path.realpath(path)).parent)
        _inspect_sqlite_file(path, read_only, create=create)
    except NoLocksError as error:
        raise StoreError(f"result store {path}: {error}; {ANOTHER}, or {MOUNT_WITH_LOCKS}.") from error
    except OSError as error:
        raise StoreError(f"result store {cannot_read(path, error)}. Change that, or {ANOTHER}.") from error
    if read_only is not None and create:
        raise StoreError(
            f"result store {path} cannot be written. Check that this user may write the file and its folder, or "
            f"{ANOTHER}."
        )
    if create and not path.exists():
        # Made by SQLite, the file would have mode 0644 at most; with umask 002 the group may write it, too.
        with suppress(OSError):  # SQLite reports it
            path.touch()
        _sync_entry(path)
    return read_only


def _sync_entry(path: Path) -> None:
    """Sync the entry of a new database in its folder: SQLite syncs only those of its log and its journal."""
    try:
        sync_folder(path.parent)
    except OSError as error:
        raise StoreError(
            f"result store {path} cannot be written: {error.strerror}; check its disk, or {ANOTHER}."
        ) from error


def _inspect_sqlite_file(path: Path, read_only: ReadOnlyFile | None, *, create: bool) -> None:
    """Refuse a file that is not an intact result store, without writing to it, as opening it for use would.

    Args:
        path: the file.
        read_only: the same, if this user may not write it.
        create: whether the file may be missing.
    """
    if path.exists() and not path.is_file():
        raise StoreError(f"result store {path} is not a file; {ANOTHER}.")
    if not path.exists() or not path.stat().st_size:
        if not create:
            raise StoreError(f"result store {path} does not exist.")
        if not path.parent.is_dir():
            url = " A database's URL has :// in it." if ":/" in str(path) else ""
            raise StoreError(
                f"result store {path}: the folder {path.parent} does not exist; make it first, or {ANOTHER}.{url}"
            )
        return
    _check_content(path, read_only)


def _check_content(path: Path, read_only: ReadOnlyFile | None) -> None:
    """Check that a file is an intact result store, or a database without tables."""
    if not permits(path, os.R_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
    if path.stat().st_size == 1:  # SQLite takes such a file for an empty one
        raise _not_sqlite(path)
    try:
        try:
            found = _quick_check(path, read_only, "ro")
        except sqlite3.OperationalError as error:
            if read_only is not None or error.sqlite_errorcode not in _CUT_SHORT:
                raise
            found = _quick_check(path, None, "rw")
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_NOTADB:
            raise _not_sqlite(path) from error
        raise StoreError(f"result store {path} is damaged or cannot be read: {error}{remedy(error)}") from error
    if found != "ok":
        raise StoreError(f"result store {path} is damaged ({' '.join(found.split())}). {MEND}")


def _quick_check(path: Path, read_only: ReadOnlyFile | None, mode: str) -> str:
    """Return what SQLite's quick check says of a database that is a result store or has no tables."""
    # Only SQLite opens the file: if anything else closes it, other connections of this process lose their locks.
    if read_only is None:
        opened = sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True, timeout=BUSY_SECONDS)
    else:
        opened = read_only.connect()
    with closing(opened) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        if tables and INFO.name not in tables:
            raise StoreError(_foreign(str(path), tables))
        return str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])


def _reads_only(engine: Engine) -> bool:
    return bool(engine.get_execution_options().get("aen_read_only", False))


def _prepare_sqlite(engine: Engine) -> None:
    """Durable commits, patience with other writers, and transactions that lock when they begin."""
    make_durable(engine, busy_seconds=BUSY_SECONDS)

    @sa.event.listens_for(engine, "connect")
    def connected(connection: Any, _: object) -> None:  # noqa: ANN401
        connection.isolation_level = None  # the driver's own implicit BEGIN comes too late to be a lock

    @sa.event.listens_for(engine, "begin")
    def began(connection: Connection) -> None:
        reads = connection.get_execution_options().get("aen_read_only", False)
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")
