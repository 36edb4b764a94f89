"""ResultStore: all finished evaluations in a database, shared by any number of processes; no spec is trained twice.

An evaluation is committed before it is returned to a caller. A spec in flight has a lease: a row with an owner and a
heartbeat. The owner trains the spec; others wait for the result. A lease is taken over by a process that has watched it
for the time of a lease and saw no heartbeat, or at once if its owner is a process of this machine that no longer runs.
"""

import math
import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from aen.children.spec import ChildSpec
from aen.errors import StoreError
from aen.results.database import EVALUATIONS, LEASES, READ_ONLY, open_database
from aen.results.database_errors import database_errors, shown
from aen.results.evaluation import Evaluation, Status
from aen.results.leases import LeaseWatch, drop_leases, new_owner, take_leases
from aen.results.rows import EVALUATION_COLUMNS, chunks, evaluation_of, spec_of, values_of
from aen.results.upsert import insert_missing, present

# Rows that are read in one query.
_PAGE = 1000
_STORES: "weakref.WeakSet[ResultStore]" = weakref.WeakSet()


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
        lease_seconds: how long others watch a lease without a heartbeat before they take it over.

    Raises:
        StoreError: the database cannot be opened, is damaged, is not a result store, or is of another version.
    """

    def __init__(self, where: str | Path, *, create: bool = True, lease_seconds: float = 30.0) -> None:
        self.where = str(where)
        self.lease_seconds = lease_seconds
        self._become_owner()
        self._engine = open_database(self.where, create=create)
        _STORES.add(self)

    def _become_owner(self) -> None:
        """Choose a new owner name, without leases."""
        self._pid = os.getpid()
        self.owner = new_owner()
        self._heartbeat = 0.0
        self._watch = LeaseWatch(self.lease_seconds)
        self._stop = threading.Event()
        self._heart: threading.Thread | None = None

    def _notice_fork(self) -> None:
        """Start with new connections and no leases after a fork: the old ones belong to the parent process."""
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
        return self.get_many([key]).get(key)

    def get_many(self, keys: Sequence[str]) -> dict[str, Evaluation]:
        """Return the stored evaluations of some specs by key, marked as looked up; the others have no entry."""
        with self._errors(), self._read() as connection:
            found = self._select(connection, _different(keys))
        return {key: found[key] for key in keys if key in found}

    def evaluations(self) -> Iterator[tuple[Evaluation, ChildSpec]]:
        """Return every stored evaluation with its spec, in the order of their keys."""
        for row in self._rows(*EVALUATION_COLUMNS, EVALUATIONS.c.spec):
            yield evaluation_of(row, self.where), spec_of(row.key, row.spec, self.where)

    def specs(self, keys: Sequence[str]) -> dict[str, ChildSpec]:
        """Return the specs of some stored evaluations by key; the others have no entry."""
        with self._errors(), self._read() as connection:
            found = present(connection, _different(keys), EVALUATIONS.c.key, EVALUATIONS.c.spec)
        return {key: spec_of(key, found[key].spec, self.where) for key in keys if key in found}

    def outcomes(self) -> Iterator[Evaluation]:
        """Return every stored evaluation in the order of their keys, without their specs, which take longer."""
        return (evaluation_of(row, self.where) for row in self._rows(*EVALUATION_COLUMNS))

    def statuses(self) -> dict[str, int]:
        """Return how many stored evaluations have each status; those that none has are left out."""
        status = EVALUATIONS.c.status
        with self._errors(), self._read() as connection:
            rows = connection.execute(sa.select(status, sa.func.count()).group_by(status).order_by(status)).all()
        return {str(name): int(count) for name, count in rows}

    def count(self, status: Status | None = None) -> int:
        """Return how many evaluations are stored, or of them how many have a status."""
        statuses = self.statuses()
        return sum(statuses.values()) if status is None else statuses.get(status, 0)

    def _rows(self, *columns: sa.Column[Any]) -> Iterator[sa.Row[Any]]:
        """Return all rows in the order of keys; a part at a time, so that no transaction lasts while they are used."""
        query, last = sa.select(*columns).order_by(EVALUATIONS.c.key).limit(_PAGE), ""
        while True:
            with self._errors(), self._read() as connection:
                rows = connection.execute(query.where(EVALUATIONS.c.key > last)).all()
            yield from rows
            if len(rows) < _PAGE:
                return
            last = rows[-1].key

    def _select(self, connection: Connection, keys: Sequence[str]) -> dict[str, Evaluation]:
        found = present(connection, keys, *EVALUATION_COLUMNS)
        return {key: evaluation_of(row, self.where) for key, row in found.items()}

    def claim(self, key: str) -> Claim:
        """Claim a spec for training: returns the stored result, or the lease, or neither if another owner has it."""
        return self.claim_many([key])[key]

    def claim_many(self, keys: Sequence[str], *, again: Collection[str] = ()) -> dict[str, Claim]:
        """Claim some specs in one transaction; returns the result of `claim` for each key.

        Args:
            keys: of the specs.
            again: keys of stored results that are to be trained again, for their weights: a claim may be both a result
                and the caller's lease.
        """
        asked = _different(keys)
        if not asked:
            return {}
        with self._errors(), self._begin() as connection:
            # The leases come first: a result committed between a look and a lease would otherwise be trained again.
            mine = take_leases(connection, asked, self.owner, self._next_heartbeat(), self._watch)
            stored = self._select(connection, asked)
            done = stored.keys() - set(again)
            drop_leases(connection, mine & done, self.owner)
        mine -= done
        if len(done) < len(asked):  # some are mine, or are watched
            self._start_heart()
        return {key: Claim(stored.get(key), key in mine) for key in keys}

    def release(self, key: str) -> None:
        """Give a lease back without a result, so that another owner can train the spec."""
        self.release_many([key])

    def release_many(self, keys: Sequence[str]) -> None:
        """Give leases back without results, in one transaction."""
        with self._errors(), self._begin() as connection:
            drop_leases(connection, set(keys), self.owner)

    def commit(self, evaluation: Evaluation, spec: ChildSpec) -> None:
        """Store a result and end its lease, in one transaction. The first result stays; weights may be added.

        One that `failed` is none: the first other one takes its place.

        Raises:
            StoreError: the database refused; nothing was stored.
        """
        self.commit_many([(evaluation, spec)])

    def commit_many(self, results: Sequence[tuple[Evaluation, ChildSpec]]) -> None:
        """Store results and end their leases, in one transaction; see `commit`.

        Raises:
            StoreError: the database refused some for what is in them, and stored the others; or it refused them all.
        """
        offered: dict[str, dict[str, Any]] = {}
        for evaluation, spec in results:
            values = values_of(evaluation, spec)
            known = offered.setdefault(evaluation.key, values)
            if known is not values:
                known |= _changes(known["status"], values)
        table, rows = EVALUATIONS, [offered[key] for key in sorted(offered)]
        with self._errors(), self._begin() as connection:
            found, refused = insert_missing(connection, table, rows, table.c.key, table.c.status)
            for key in sorted(found):
                changes = _changes(found[key].status, offered[key])
                if changes:
                    connection.execute(table.update().where(table.c.key == key).values(changes))
            drop_leases(connection, offered.keys() - refused.keys(), self.owner)
        for key, why in refused.items():
            raise StoreError(f"result store {shown(self.where)} refuses the result {key}: {why}")

    def forget_failed(self) -> int:
        """Delete failed evaluations, so that they are tried again; return how many there were."""
        with self._errors(), self._begin() as connection:
            return connection.execute(EVALUATIONS.delete().where(EVALUATIONS.c.status == "failed")).rowcount

    def kept_weights(self) -> set[str]:
        """Return the names of all files of weights that results name."""
        column = EVALUATIONS.c.weights
        with self._errors(), self._read() as connection:
            return set(connection.execute(sa.select(column).where(column.is_not(None))).scalars())

    def forget_weights(self, keys: Collection[str]) -> None:
        """Record that the weights of some results are not needed any more; the results stay."""
        with self._errors(), self._begin() as connection:
            for some in chunks(sorted(keys)):
                connection.execute(EVALUATIONS.update().where(EVALUATIONS.c.key.in_(some)).values(weights=None))

    def copy_to(self, path: Path) -> int:
        """Copy an SQLite store to another file, from the open file, also if that was removed; return how many results.

        Raises:
            sqlite3.Error: it cannot be copied.
        """
        with closing(sqlite3.connect(path)) as target, self._read() as connection:
            connection.connection.driver_connection.backup(target)  # type: ignore[union-attr]
            return int(target.execute("SELECT count(*) FROM evaluations").fetchone()[0])

    def close(self) -> None:
        """Stop the heartbeat and close the connections. Leases still held expire by themselves."""
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
            self._watch.tick()
            # A busy database is tried again at the next heartbeat; a lease lasts for three of them.
            with suppress(sa.exc.DBAPIError), self._engine.begin() as connection:
                own = LEASES.update().where(LEASES.c.owner == self.owner)
                connection.execute(own.values(heartbeat=self._next_heartbeat()))

    def _next_heartbeat(self) -> float:
        """Return the time, or more than the last heartbeat if the clock was set back or stands still."""
        self._heartbeat = max(time.time(), math.nextafter(self._heartbeat, math.inf))
        return self._heartbeat

    def _errors(self) -> AbstractContextManager[None]:
        return database_errors(self.where)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        """Return the state of a copy, which opens its own connections and is an owner of its own."""
        return {"where": self.where, "lease_seconds": self.lease_seconds}

    def __setstate__(self, state: dict[str, Any]) -> None:
        # It was there when it was pickled: a file that has gone since must not come back empty.
        self.__init__(state["where"], create=False, lease_seconds=state["lease_seconds"])  # type: ignore[misc]


def _disconnect() -> None:
    """Close all idle connections of this process: a fork would believe that it has their locks, and take none."""
    for store in list(_STORES):
        store._engine.dispose()  # noqa: SLF001 - the same module


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_disconnect)


def _different(keys: Sequence[str]) -> list[str]:
    return sorted(set(keys))


def _changes(known: str, new: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what a new result of the same spec changes of one with a known status."""
    if new["status"] == "failed":
        return {}
    if known == "failed":
        return new
    return {} if new["weights"] is None else {"weights": new["weights"]}
