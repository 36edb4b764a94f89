"""The result store: every finished evaluation, committed before anyone hears of it, and nothing trained twice.

"In flight" is a lease: a row with an owner and a heartbeat. Whoever holds it trains; the others wait for the result. A
lease whose heartbeat has stopped belongs to a dead owner and is taken over; so is, at once, that of a process of this
machine that no longer runs.
"""

import json
import os
import socket
import sqlite3
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, fields
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from aen.children.spec import ChildSpec
from aen.errors import StoreError
from aen.results.evaluation import Evaluation

VERSION = "1"
_METADATA = sa.MetaData()
_INFO = sa.Table(
    "aen_store",
    _METADATA,
    sa.Column("name", sa.String(32), primary_key=True),
    sa.Column("value", sa.String(256), nullable=False),
)
_EVALUATIONS = sa.Table(
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
    sa.Column("epochs", sa.Integer, nullable=False),
    sa.Column("seconds", sa.Double, nullable=False),
    sa.Column("device", sa.String(128), nullable=False),
    sa.Column("threads", sa.Integer, nullable=False),
    sa.Column("weights", sa.String(256)),
    sa.Column("spec", sa.Text, nullable=False),
    sa.Column("finished_at", sa.Double, nullable=False),
)
_LEASES = sa.Table(
    "leases",
    _METADATA,
    sa.Column("key", sa.String(64), primary_key=True),
    sa.Column("owner", sa.String(128), nullable=False, index=True),
    sa.Column("heartbeat", sa.Double, nullable=False),
)
_EVALUATION_COLUMNS = [f.name for f in fields(Evaluation) if f.name in _EVALUATIONS.c]
BUSY_SECONDS = 30
_SQLITE_MAGIC = b"SQLite format 3\x00"


@dataclass(frozen=True)
class Claim:
    """The answer to "may I train this?".

    Attributes:
        evaluation: the stored result, if there is one.
        mine: whether the lease is now the caller's. Neither: somebody else is training it.
    """

    evaluation: Evaluation | None
    mine: bool


class ResultStore:
    """Evaluations and leases in a database; any number of processes may use it at once.

    Args:
        where: path of an SQLite file, or any SQLAlchemy URL.
        create: make the store if it does not exist.
        lease_seconds: how long a lease lives after its last heartbeat.

    Raises:
        StoreError: the database cannot be opened, is damaged, is not a result store, or is of another version.
    """

    def __init__(self, where: str | Path, *, create: bool = True, lease_seconds: float = 30.0) -> None:
        self.where = str(where)
        self.lease_seconds = lease_seconds
        self.owner = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        self._stop = threading.Event()
        self._heart: threading.Thread | None = None
        self._engine = self._open(create=create)

    def _open(self, *, create: bool) -> Engine:
        try:
            url = sa.make_url(self.where) if "://" in self.where else sa.URL.create("sqlite", database=self.where)
            engine = sa.create_engine(url)
        except (sa.exc.ArgumentError, ModuleNotFoundError) as error:
            raise StoreError(f"result store {self.where}: {error}") from error
        is_sqlite = engine.dialect.name == "sqlite"
        if is_sqlite:
            _inspect_sqlite_file(Path(url.database or ""), create=create)
            _prepare_sqlite(engine)
        with self._errors(), engine.begin() as connection:
            # Inside one transaction, so that of several processes that make the same store one does and the rest wait.
            tables = sa.inspect(connection).get_table_names()
            if not tables:
                if not create:
                    raise StoreError(f"result store {self.where} does not exist.")
                _METADATA.create_all(connection)
                connection.execute(_INFO.insert().values(name="version", value=VERSION))
            elif _INFO.name not in tables:
                raise StoreError(_foreign(self.where, tables))
            version = connection.execute(sa.select(_INFO.c.value).where(_INFO.c.name == "version")).scalar()
        if version != VERSION:
            raise StoreError(f"result store {self.where} has version {version}, this aen reads {VERSION}.")
        if is_sqlite:
            with self._errors():
                _use_write_ahead_log(engine)
        return engine

    def get(self, key: str) -> Evaluation | None:
        """Return the stored evaluation of a spec, marked as looked up, or None."""
        with self._errors(), self._engine.connect() as connection:
            return _select(connection, key)

    def evaluations(self) -> Iterator[tuple[Evaluation, ChildSpec]]:
        """Return every stored evaluation with its spec, in the order of their keys."""
        with self._errors(), self._engine.connect() as connection:
            rows = connection.execute(sa.select(_EVALUATIONS).order_by(_EVALUATIONS.c.key)).mappings().all()
        for row in rows:
            yield _to_evaluation(row), ChildSpec.from_json(json.loads(row["spec"]))

    def claim(self, key: str) -> Claim:
        """Ask to train a spec: returns the stored result, or the lease, or neither if another owner is at it."""
        now = time.time()
        with self._errors(), self._engine.begin() as connection:
            # The lease comes first: a result committed between a look and a lease would otherwise be trained again.
            mine = self._take_lease(connection, key, now)
            stored = _select(connection, key)
            if stored is not None and mine:
                self._drop_lease(connection, key)
        if stored is not None:
            return Claim(stored, mine=False)
        if mine:
            self._start_heart()
        return Claim(None, mine=mine)

    def _take_lease(self, connection: Connection, key: str, now: float) -> bool:
        try:
            with connection.begin_nested():
                connection.execute(_LEASES.insert().values(key=key, owner=self.owner, heartbeat=now))
        except sa.exc.IntegrityError:
            owner = connection.execute(sa.select(_LEASES.c.owner).where(_LEASES.c.key == key)).scalar()
            dead = _LEASES.c.heartbeat < now - self.lease_seconds
            if owner is not None and _has_died(owner):
                dead = _LEASES.c.owner == owner
            taken = connection.execute(
                _LEASES.update().where(_LEASES.c.key == key, dead).values(owner=self.owner, heartbeat=now)
            )
            return taken.rowcount == 1
        return True

    def _drop_lease(self, connection: Connection, key: str) -> None:
        connection.execute(_LEASES.delete().where(_LEASES.c.key == key, _LEASES.c.owner == self.owner))

    def release(self, key: str) -> None:
        """Give a lease back without a result, so that somebody else may train the spec."""
        with self._errors(), self._engine.begin() as connection:
            self._drop_lease(connection, key)

    def commit(self, evaluation: Evaluation, spec: ChildSpec) -> None:
        """Store a result and end its lease, in one transaction. The first result stays; weights may be added.

        Raises:
            StoreError: the database refused; nothing was stored.
        """
        values: dict[str, Any] = {name: getattr(evaluation, name) for name in _EVALUATION_COLUMNS}
        values |= {"spec": json.dumps(spec.to_json(), sort_keys=True), "finished_at": time.time()}
        with self._errors(), self._engine.begin() as connection:
            try:
                with connection.begin_nested():
                    connection.execute(_EVALUATIONS.insert().values(values))
            except sa.exc.IntegrityError as error:
                if _select(connection, evaluation.key) is None:
                    raise StoreError(f"result store {self.where} refuses {evaluation}: {error.orig}") from error
                if evaluation.weights is not None:
                    this = _EVALUATIONS.c.key == evaluation.key
                    connection.execute(_EVALUATIONS.update().where(this).values(weights=evaluation.weights))
            self._drop_lease(connection, evaluation.key)

    def close(self) -> None:
        """Stop the heartbeat and close the connections. Leases still held run out by themselves."""
        self._stop.set()
        if self._heart is not None:
            self._heart.join()
            self._heart = None
        self._engine.dispose()

    def _start_heart(self) -> None:
        if self._heart is None:
            self._stop.clear()
            self._heart = threading.Thread(target=self._beat, name="aen-lease-heartbeat", daemon=True)
            self._heart.start()

    def _beat(self) -> None:
        while not self._stop.wait(self.lease_seconds / 4):
            # A database that is busy for a moment is asked again at the next beat; the lease outlives three of them.
            with suppress(sa.exc.DBAPIError), self._engine.begin() as connection:
                connection.execute(_LEASES.update().where(_LEASES.c.owner == self.owner).values(heartbeat=time.time()))

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sa.exc.DBAPIError as error:
            raise StoreError(f"result store {self.where}: {error.orig}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        """A copy in another process opens its own connections and is an owner of its own."""
        return {"where": self.where, "lease_seconds": self.lease_seconds}

    def __setstate__(self, state: dict[str, Any]) -> None:
        # It was there when it was pickled: a file that has gone since must not come back empty.
        self.__init__(state["where"], create=False, lease_seconds=state["lease_seconds"])  # type: ignore[misc]


def _has_died(owner: str) -> bool:
    """Say whether an owner was a process of this machine and is gone; of other machines only the heartbeat tells."""
    host, _, rest = owner.partition(":")
    pid = rest.partition(":")[0]
    if host != socket.gethostname() or not pid.isdigit() or os.name != "posix":
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def _foreign(where: str, tables: Sequence[str]) -> str:
    return (
        f"{where} is a database, but not a result store of aen (its tables: {', '.join(sorted(tables))}); "
        "name another file."
    )


def _inspect_sqlite_file(path: Path, *, create: bool) -> None:
    """Refuse what is not a sound result store, without writing to it: opening it for use would already change it."""
    if path.exists() and not path.is_file():
        raise StoreError(f"result store {path} is not a file; name another.")
    if not path.exists() or not path.stat().st_size:
        if not create:
            raise StoreError(f"result store {path} does not exist.")
        if not path.parent.is_dir():
            raise StoreError(f"result store {path}: the folder {path.parent} does not exist; make it first.")
        return
    with path.open("rb") as file:
        if file.read(len(_SQLITE_MAGIC)) != _SQLITE_MAGIC:
            raise StoreError(f"{path} is not an SQLite file, or its head is damaged; name another file.")
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=30)) as connection:
            tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            if tables and _INFO.name not in tables:
                raise StoreError(_foreign(str(path), tables))
            (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.Error as error:
        raise StoreError(f"result store {path} is damaged or cannot be read: {error}.") from error
    if found != "ok":
        raise StoreError(f"result store {path} is damaged ({found}); restore it or move it away.")


def _prepare_sqlite(engine: Engine) -> None:
    """Durable commits, patience with other writers, and transactions that lock when they begin."""

    @sa.event.listens_for(engine, "connect")
    def connected(connection: Any, _: object) -> None:  # noqa: ANN401
        connection.isolation_level = None  # the driver's own implicit BEGIN comes too late to be a lock
        connection.execute(f"PRAGMA busy_timeout={1000 * BUSY_SECONDS}")
        connection.execute("PRAGMA synchronous=FULL")

    @sa.event.listens_for(engine, "begin")
    def began(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _use_write_ahead_log(engine: Engine) -> None:
    """Switch to the write-ahead log, which the file remembers, so that readers and the writer do not wait."""
    deadline = time.monotonic() + BUSY_SECONDS
    raw = engine.raw_connection()
    try:
        while True:
            try:
                raw.cursor().execute("PRAGMA journal_mode=WAL")
            except sqlite3.OperationalError as error:
                # SQLite does not always wait for other connections here, however patient it is elsewhere.
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise StoreError(f"result store: {error}") from error
                time.sleep(0.02)
            else:
                return
    finally:
        raw.close()


def _select(connection: Connection, key: str) -> Evaluation | None:
    row = connection.execute(sa.select(_EVALUATIONS).where(_EVALUATIONS.c.key == key)).mappings().first()
    return None if row is None else _to_evaluation(row)


def _to_evaluation(row: sa.RowMapping) -> Evaluation:
    return Evaluation(**{name: row[name] for name in _EVALUATION_COLUMNS}, looked_up=True)


def evaluations_by_class(store: ResultStore) -> dict[str, list[tuple[Evaluation, ChildSpec]]]:
    """Return all stored evaluations, grouped by canonical class."""
    grouped: dict[str, list[tuple[Evaluation, ChildSpec]]] = {}
    for evaluation, spec in store.evaluations():
        grouped.setdefault(evaluation.class_key, []).append((evaluation, spec))
    return grouped


__all__: Sequence[str] = ["Claim", "ResultStore", "evaluations_by_class"]
