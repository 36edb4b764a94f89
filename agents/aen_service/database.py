"""The service's database: tokens, sessions of browsers, searches and data sets."""

import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from aen._databases import make_durable, make_engine, use_write_ahead_log
from aen._secrets import hide_secrets, remember_address
from aen_service.errors import ServiceStartError, UnavailableError

VERSION = "1"  # raise it when a column is removed or changes its meaning
_BUSY_SECONDS = 10
_LONGEST_VALUE = 256
_METADATA = sa.MetaData()
INFO = sa.Table(
    "aen_service",
    _METADATA,
    sa.Column("name", sa.String(32), primary_key=True),
    sa.Column("value", sa.String(_LONGEST_VALUE), nullable=False),
)
_VERSION = sa.select(INFO.c.value).where(INFO.c.name == "version")
_IDENTITY = sa.select(INFO.c.value).where(INFO.c.name == "id")
TOKENS = sa.Table(
    "tokens",
    _METADATA,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("name", sa.String(64), nullable=False),
    sa.Column("role", sa.String(16), nullable=False),
    sa.Column("hash", sa.String(64), nullable=False, unique=True),
    sa.Column("created", sa.Double, nullable=False),
    sa.Column("revoked", sa.Double),
)
SESSIONS = sa.Table(
    "sessions",
    _METADATA,
    sa.Column("hash", sa.String(64), primary_key=True),
    sa.Column("token", sa.String(32), nullable=False, index=True),
    sa.Column("expires", sa.Double, nullable=False),
)
SEARCHES = sa.Table(
    "searches",
    _METADATA,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("token", sa.String(32)),  # that submitted it; None: it was found below the root
    sa.Column("path", sa.String(1024), nullable=False, unique=True),  # of the run folder, relative to the root
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("agent", sa.String(100), nullable=False, server_default=""),
    sa.Column("data", sa.String(200), nullable=False, server_default=""),
    sa.Column("state", sa.String(16), nullable=False, index=True),
    sa.Column("message", sa.Text),
    sa.Column("created", sa.Double, nullable=False, index=True),
    sa.Column("started", sa.Double),
    sa.Column("ended", sa.Double),
    sa.Column("updated", sa.Double, nullable=False, index=True),
    sa.Column("queued", sa.Double),  # its place in the queue, as a number that is no time
    sa.Column("accuracy", sa.Double),  # of the winner, or of the best so far
    sa.Column("children", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("view", sa.JSON(none_as_null=True)),  # `RunView.to_json`
    sa.Column("stamp", sa.String(200)),  # of the files from which the view was read
    sa.Column("request", sa.JSON(none_as_null=True)),  # as it was submitted
    sa.Column("idempotency", sa.String(200)),
    sa.Column("starts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("pid", sa.Integer),
    sa.Column("process_start", sa.BigInteger),
    sa.Column("machine", sa.String(200)),
    sa.Column("job", sa.String(100)),  # of Ray
    sa.Column("budget", sa.BigInteger, nullable=False, server_default="0"),  # children that it may train
    sa.Column("made", sa.Boolean, nullable=False, server_default=sa.false()),  # its run folder was made
    sa.Column("outside", sa.Boolean, nullable=False, server_default=sa.false()),  # a terminal runs it, or did so last
    sa.UniqueConstraint("token", "idempotency"),
)
DATASETS = sa.Table(
    "datasets",
    _METADATA,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("token", sa.String(32), nullable=False, index=True),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("path", sa.String(1024), nullable=False),  # relative to the service's folder
    sa.Column("bytes", sa.BigInteger, nullable=False),
    sa.Column("created", sa.Double, nullable=False),
    sa.Column("description", sa.JSON(none_as_null=True)),
)


class Database:
    """The service's database; safe to use from several threads.

    Args:
        url: an SQLAlchemy URL.

    Raises:
        ServiceStartError: it cannot be opened, is of another version, or is not that of a service.
    """

    def __init__(self, url: str) -> None:
        remember_address(url)
        self.shown = hide_secrets(url)
        try:
            self._engine = make_engine(sa.make_url(url))
            self._prepare()
        except ServiceStartError:
            self._engine.dispose()
            raise
        except (sa.exc.SQLAlchemyError, sqlite3.Error, ImportError, ValueError) as error:
            why = hide_secrets(str(getattr(error, "orig", None) or error))
            raise ServiceStartError(f"database {self.shown} cannot be used: {why}.") from error

    def _prepare(self) -> None:
        if self._engine.dialect.name == "sqlite":
            make_durable(self._engine, busy_seconds=_BUSY_SECONDS)
        with self._engine.connect() as connection:  # nothing is written before it is known what the database is
            names = set(sa.inspect(connection).get_table_names())
            if names and INFO.name not in names:
                raise ServiceStartError(f"database {self.shown} is not that of a service; name another one.")
            found = connection.execute(_VERSION).scalar() if names else VERSION
            if found not in {VERSION, None}:
                raise ServiceStartError(
                    f"database {self.shown} has version {found}, and this aen supports version {VERSION}; use that "
                    "aen, or name another database (--database)."
                )
        if self._engine.dialect.name == "sqlite":
            use_write_ahead_log(self._engine, busy_seconds=_BUSY_SECONDS)
        with self._engine.begin() as connection:
            _METADATA.create_all(connection)
            if connection.execute(_VERSION).scalar() is None:
                connection.execute(INFO.insert().values(name="version", value=VERSION))

    def identity(self) -> str | None:
        """Return the identifier that the database keeps when it is moved or copied; None: it has none yet."""
        return next((str(row.value) for row in self.rows(_IDENTITY)), None)

    def identify(self) -> str:
        """Return the identifier; the database gets one if it has none."""
        with suppress(sa.exc.IntegrityError), self.begin() as connection:  # another service begins at this moment
            if not connection.execute(_IDENTITY).all():
                connection.execute(INFO.insert().values(name="id", value=secrets.token_hex(16)))
        return str(self.rows(_IDENTITY)[0].value)

    def belong_to(self, root: str, where: str) -> None:
        """Note to which root the database belongs: its searches are folders below that one.

        Args:
            root: identifier of the root.
            where: the root, for messages.

        Raises:
            ServiceStartError: it belongs to another one.
        """
        known = sa.select(INFO.c.name, INFO.c.value).where(INFO.c.name.in_(["root", "root path"]))
        with suppress(sa.exc.IntegrityError), self.begin() as connection:  # another service begins at this moment
            if not connection.execute(known).all():
                rows = [{"name": "root", "value": root}, {"name": "root path", "value": where[-_LONGEST_VALUE:]}]
                connection.execute(INFO.insert(), rows)
        found = {row.name: row.value for row in self.rows(known)}
        if found["root"] != root:
            raise ServiceStartError(
                f"database {self.shown} belongs to the service of another root, {found['root path']}; name another one "
                "(--database), or that root (--root)."
            )
        if found["root path"] != where[-_LONGEST_VALUE:]:  # it was moved
            with self.begin() as connection:
                moved = INFO.update().where(INFO.c.name == "root path")
                connection.execute(moved.values(value=where[-_LONGEST_VALUE:]))

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """Begin a transaction.

        Raises:
            UnavailableError: the database cannot be used now.
        """
        try:
            with self._engine.begin() as connection:
                yield connection
        except sa.exc.IntegrityError:
            raise
        except (sa.exc.DatabaseError, sa.exc.InterfaceError, sa.exc.TimeoutError, sqlite3.Error) as error:
            why = getattr(error, "orig", None) or error
            raise UnavailableError(f"the database of the service cannot be used now: {why}.") from error

    def rows(self, query: sa.Executable) -> list[Any]:
        """Return all rows of a query."""
        with self.begin() as connection:
            return list(connection.execute(query).all())

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()
