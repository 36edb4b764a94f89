"""The result store: every finished evaluation, committed before anyone hears of it, and nothing trained twice.

"In flight" is a lease: a row with an owner and a heartbeat. Whoever holds it trains; the others wait for the result. A
lease whose heartbeat has stopped belongs to a dead owner and is taken over; so is, at once, that of a process of this
machine that no longer runs.
"""

import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, fields
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from aen.children.spec import ChildSpec
from aen.errors import StoreError
from aen.results.database import EVALUATIONS, LEASES, READ_ONLY, database_errors, open_database, shown
from aen.results.evaluation import Evaluation

_KINDS: Mapping[str, tuple[type, ...]] = {
    **dict.fromkeys(("key", "class_key", "status", "device"), (str,)),
    **dict.fromkeys(("seed", "parameters", "threads", "population"), (int,)),
    **dict.fromkeys(
        ("train_loss", "train_accuracy", "validation_loss", "validation_accuracy", "seconds", "epochs"), (float,)
    ),
    "weights": (str, type(None)),
    "record": (dict, type(None)),
}
_EVALUATION_COLUMNS = [f.name for f in fields(Evaluation) if f.name in EVALUATIONS.c]


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
        self._become_owner()
        self._engine = open_database(self.where, create=create)

    def _become_owner(self) -> None:
        """Take a name that no other owner has, without leases."""
        self._pid = os.getpid()
        self.owner = f"{_machine()}:{self._pid}:{uuid.uuid4().hex[:8]}"
        self._stop = threading.Event()
        self._heart: threading.Thread | None = None

    def _notice_fork(self) -> None:
        """After a fork the connections, the leases and their heartbeat are the parent's: start anew."""
        if os.getpid() != self._pid:
            self._engine.dispose(close=False)
            self._become_owner()

    def _begin(self) -> AbstractContextManager[Connection]:
        """Begin a transaction that may write."""
        self._notice_fork()
        return self._engine.begin()

    def _read(self) -> AbstractContextManager[Connection]:
        """Begin a transaction that only reads; it neither waits for a writer nor makes one wait."""
        self._notice_fork()
        return self._engine.execution_options(**READ_ONLY).connect()

    def get(self, key: str) -> Evaluation | None:
        """Return the stored evaluation of a spec, marked as looked up, or None."""
        with self._errors(), self._read() as connection:
            return self._select(connection, key)

    def evaluations(self) -> Iterator[tuple[Evaluation, ChildSpec]]:
        """Return every stored evaluation with its spec, in the order of their keys."""
        with self._errors(), self._read() as connection:
            rows = connection.execute(sa.select(EVALUATIONS).order_by(EVALUATIONS.c.key)).mappings().all()
        for row in rows:
            yield self._evaluation(row), self._spec(row)

    def _select(self, connection: Connection, key: str) -> Evaluation | None:
        row = connection.execute(sa.select(EVALUATIONS).where(EVALUATIONS.c.key == key)).mappings().first()
        return None if row is None else self._evaluation(row)

    def _evaluation(self, row: sa.RowMapping) -> Evaluation:
        values = {name: row[name] for name in _EVALUATION_COLUMNS}
        wrong = [name for name, value in values.items() if not isinstance(value, _KINDS[name])]
        weights = values["weights"]
        if wrong or (weights is not None and Path(weights).name != weights):
            raise self._damaged(row, wrong[0] if wrong else "weights")
        return Evaluation(**values, looked_up=True)

    def _spec(self, row: sa.RowMapping) -> ChildSpec:
        try:
            return ChildSpec.from_json(json.loads(row["spec"]))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise self._damaged(row, "spec") from error

    def _damaged(self, row: sa.RowMapping, column: str) -> StoreError:
        return StoreError(f"result store {shown(self.where)}: {column!r} of row {row['key']!r} is damaged.")

    def claim(self, key: str) -> Claim:
        """Ask to train a spec: returns the stored result, or the lease, or neither if another owner is at it."""
        now = time.time()
        with self._errors(), self._begin() as connection:
            # The lease comes first: a result committed between a look and a lease would otherwise be trained again.
            mine = self._take_lease(connection, key, now)
            stored = self._select(connection, key)
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
                connection.execute(LEASES.insert().values(key=key, owner=self.owner, heartbeat=now))
        except sa.exc.IntegrityError:
            owner = connection.execute(sa.select(LEASES.c.owner).where(LEASES.c.key == key)).scalar()
            dead = LEASES.c.heartbeat < now - self.lease_seconds
            if owner is not None and _has_died(owner):
                dead = LEASES.c.owner == owner
            taken = connection.execute(
                LEASES.update().where(LEASES.c.key == key, dead).values(owner=self.owner, heartbeat=now)
            )
            return taken.rowcount == 1
        return True

    def _drop_lease(self, connection: Connection, key: str) -> None:
        connection.execute(LEASES.delete().where(LEASES.c.key == key, LEASES.c.owner == self.owner))

    def release(self, key: str) -> None:
        """Give a lease back without a result, so that somebody else may train the spec."""
        with self._errors(), self._begin() as connection:
            self._drop_lease(connection, key)

    def commit(self, evaluation: Evaluation, spec: ChildSpec) -> None:
        """Store a result and end its lease, in one transaction. The first result stays; weights may be added.

        Raises:
            StoreError: the database refused; nothing was stored.
        """
        values: dict[str, Any] = {name: getattr(evaluation, name) for name in _EVALUATION_COLUMNS}
        values |= {"spec": json.dumps(spec.to_json(), sort_keys=True), "finished_at": time.time()}
        with self._errors(), self._begin() as connection:
            try:
                with connection.begin_nested():
                    connection.execute(EVALUATIONS.insert().values(values))
            except sa.exc.IntegrityError as error:
                if self._select(connection, evaluation.key) is None:
                    raise StoreError(f"result store {shown(self.where)} refuses {evaluation}: {error.orig}") from error
                if evaluation.weights is not None:
                    this = EVALUATIONS.c.key == evaluation.key
                    connection.execute(EVALUATIONS.update().where(this).values(weights=evaluation.weights))
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
                connection.execute(LEASES.update().where(LEASES.c.owner == self.owner).values(heartbeat=time.time()))

    def _errors(self) -> AbstractContextManager[None]:
        return database_errors(self.where)

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


def _machine() -> str:
    """Name what a process number belongs to: the host and, in containers that share its name, the PID namespace."""
    try:
        namespace = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        namespace = ""
    return f"{socket.gethostname()}/{namespace.strip('pid:[]')}"


def _has_died(owner: str) -> bool:
    """Say whether an owner was a process of this machine and is gone; of other machines only the heartbeat tells."""
    host, _, rest = owner.partition(":")
    pid = rest.partition(":")[0]
    if host != _machine() or not pid.isdigit() or os.name != "posix":
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
