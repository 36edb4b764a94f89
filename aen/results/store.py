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
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, fields
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from aen.children.spec import ChildSpec
from aen.errors import StoreError
from aen.results.database import EVALUATIONS, LEASES, database_errors, open_database, shown
from aen.results.evaluation import Evaluation

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
        self.owner = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        self._stop = threading.Event()
        self._heart: threading.Thread | None = None
        self._engine = open_database(self.where, create=create)

    def get(self, key: str) -> Evaluation | None:
        """Return the stored evaluation of a spec, marked as looked up, or None."""
        with self._errors(), self._engine.connect() as connection:
            return _select(connection, key)

    def evaluations(self) -> Iterator[tuple[Evaluation, ChildSpec]]:
        """Return every stored evaluation with its spec, in the order of their keys."""
        with self._errors(), self._engine.connect() as connection:
            rows = connection.execute(sa.select(EVALUATIONS).order_by(EVALUATIONS.c.key)).mappings().all()
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
                    connection.execute(EVALUATIONS.insert().values(values))
            except sa.exc.IntegrityError as error:
                if _select(connection, evaluation.key) is None:
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


def _select(connection: Connection, key: str) -> Evaluation | None:
    row = connection.execute(sa.select(EVALUATIONS).where(EVALUATIONS.c.key == key)).mappings().first()
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
