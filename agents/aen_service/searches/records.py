"""The searches of a service, as its database has them."""

import secrets
import time
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from aen._processes import Process
from aen._typing import JsonDict
from aen_service.database import SEARCHES, Database
from aen_service.errors import NotFoundError
from aen_service.searches.states import ACTIVE, ENDED, STATES, State, Transition

__all__ = ["ACTIVE", "ENDED", "STATES", "SearchRecord", "Searches", "State"]


@dataclass(frozen=True)
class SearchRecord:
    """A search; the attributes are the columns of `SEARCHES`.

    ``lost``: its process was killed more often than it is resumed, or its run folder is gone.
    """

    id: str
    token: str | None
    path: str
    name: str
    agent: str
    data: str
    state: State
    message: str | None
    created: float
    started: float | None
    ended: float | None
    updated: float
    queued: float | None
    accuracy: float | None
    children: int
    view: JsonDict | None
    stamp: str | None
    request: JsonDict | None
    idempotency: str | None
    starts: int
    pid: int | None
    process_start: int | None
    machine: str | None
    job: str | None
    budget: int
    made: bool
    outside: bool

    @property
    def is_foreign(self) -> bool:
        """Whether a process that is not the service's works on its run folder, or did so last."""
        return self.outside or (self.request is None and self.starts == 0)

    @property
    def process(self) -> Process | None:
        """The process that runs it, or ran it last, on this machine."""
        return None if self.pid is None else Process(self.machine, self.pid, self.process_start)


class Searches:
    """The searches in the database.

    Args:
        database: of the service.

    Attributes:
        removing: paths of run folders whose rows are removed and that are being removed themselves.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self.removing: set[str] = set()

    def add(self, **values: Any) -> SearchRecord:  # noqa: ANN401 - of columns
        """Add a search with a new identifier that cannot be guessed."""
        now = time.time()
        row = {"id": secrets.token_hex(12), "created": now, "updated": now, **values}
        with self.database.begin() as connection:
            connection.execute(SEARCHES.insert().values(row))
        return self.get(str(row["id"]))

    def get(self, search: str) -> SearchRecord:
        """Return a search.

        Raises:
            NotFoundError: there is none with this identifier.
        """
        rows = self.database.rows(sa.select(SEARCHES).where(SEARCHES.c.id == search))
        if not rows:
            raise NotFoundError(f"there is no search {search[:40]!r}; GET /api/v1/searches lists them.", argument="id")
        return _record(rows[0])

    def known(self, search: str) -> bool:
        """Return whether there is a search with this identifier."""
        return bool(self.database.rows(sa.select(SEARCHES.c.id).where(SEARCHES.c.id == search)))

    def where(self, *conditions: sa.ColumnElement[bool]) -> list[SearchRecord]:
        """Return the searches that meet conditions on columns of `SEARCHES`, the oldest first."""
        query = sa.select(SEARCHES).where(*conditions).order_by(SEARCHES.c.created)
        return [_record(row) for row in self.database.rows(query)]

    def heads(self, *conditions: sa.ColumnElement[bool]) -> list[SearchRecord]:
        """Return the searches that meet conditions, without their views, which are most of a row."""
        columns = [column for column in SEARCHES.c if column.name != "view"]
        query = sa.select(*columns, sa.null().label("view")).where(*conditions)
        return [_record(row) for row in self.database.rows(query)]

    def in_states(self, states: Collection[State]) -> list[SearchRecord]:
        """Return the searches in these states that the service runs, the oldest first.

        One that `aen search` runs is in none: its process is its own, and `RunIndex` tells its state.
        """
        ours = sa.or_(SEARCHES.c.token.is_not(None), SEARCHES.c.starts > 0, SEARCHES.c.state != "running")
        return self.where(SEARCHES.c.state.in_(list(states)), ours)

    def queue(self) -> list[str]:
        """Return the identifiers of the searches that wait, the next one first."""
        query = sa.select(SEARCHES.c.id).where(SEARCHES.c.state == "queued")
        return [row.id for row in self.database.rows(query.order_by(SEARCHES.c.queued, SEARCHES.c.id))]

    def place(self, *, first: bool = False) -> float:
        """Return the number that places a search last in the queue, or first; no clock has a part in it."""
        edge = sa.func.min(SEARCHES.c.queued) if first else sa.func.max(SEARCHES.c.queued)
        found = self.database.rows(sa.select(edge).where(SEARCHES.c.state == "queued"))[0][0]
        return 0.0 if found is None else found - 1 if first else found + 1

    def move(self, search: str, position: int) -> None:
        """Give a search that waits another place in the queue, from 1."""
        others = [other for other in self.queue() if other != search]
        others.insert(position - 1, search)
        waits = SEARCHES.c.state == "queued"
        with self.database.begin() as connection:
            for place, other in enumerate(others):
                connection.execute(SEARCHES.update().where(SEARCHES.c.id == other, waits).values(queued=float(place)))

    def update(self, search: str, *, only: Collection[str] = STATES, **values: Any) -> bool:  # noqa: ANN401
        """Change columns of a search, if it is in one of some states; return whether it was.

        Args:
            search: its identifier.
            only: the states; of two requests at the same time one finds the state as it was.
            values: by column.
        """
        changed = SEARCHES.update().where(SEARCHES.c.id == search, SEARCHES.c.state.in_(list(only)))
        with self.database.begin() as connection:
            return bool(connection.execute(changed.values(updated=time.time(), **values)).rowcount)

    def carry(self, search: str, transition: Transition, **values: Any) -> bool:  # noqa: ANN401 - of columns
        """Carry a search from state to state, and change other columns; return whether its state allowed that."""
        return self.update(search, only=transition.before, state=transition.after, **values)

    def remove(self, search: str, *, only: Collection[str] = STATES) -> bool:
        """Remove a search in one of some states from the database; return whether it was. Its files stay."""
        removed = SEARCHES.delete().where(SEARCHES.c.id == search, SEARCHES.c.state.in_(list(only)))
        with self.database.begin() as connection:
            return bool(connection.execute(removed).rowcount)


def _record(row: sa.Row[Any]) -> SearchRecord:
    return SearchRecord(**row._mapping)  # noqa: SLF001 - the documented way to the columns by name
