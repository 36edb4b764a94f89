"""Leases: rows that name the owner that trains a spec, with a heartbeat. Leases of dead owners are taken over.

The clocks of machines differ, so heartbeats are never compared with a clock. An owner is dead if its process is known
to have ended, or if none of its heartbeats has changed while another process watched it for the time of a lease.
"""

import re
import threading
import time
import uuid
from collections.abc import Collection, Mapping, Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from aen._processes import Process
from aen.results.database import LEASES
from aen.results.rows import chunks
from aen.results.upsert import insert_missing, present

# A process that is suspended for longer than this part of a lease must not take its pause for another one's silence.
_LONGEST_GAP = 1 / 3
_OWNER = re.compile(r"(\S+ pid:\[\d+\]) (\d+) (\d+) [0-9a-f]+")


def new_owner() -> str:
    """Return a name for an owner of leases in this process, from which `process_of` reads the process."""
    process = Process.this()
    return f"{process.machine or 'unknown'} {process.pid} {process.start or 'unknown'} {uuid.uuid4().hex[:8]}"


def process_of(owner: str) -> Process | None:
    """Return the process of an owner; None: its name does not identify one, as those of earlier versions."""
    found = _OWNER.fullmatch(owner)
    return None if found is None else Process(found[1], int(found[2]), int(found[3]))


class LeaseWatch:
    """Watches the heartbeats of owners, by the monotonic clock of this process.

    Args:
        seconds: an owner whose heartbeats have not changed for so long is silent. `tick` must be called several times
            in this time, also while nobody asks.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._last = time.monotonic()
        self._watched = 0.0
        self._seen: dict[str, tuple[set[float], float]] = {}  # heartbeats of an owner, and when one of them was new

    def tick(self) -> float:
        """Return for how many seconds this watch has been running; a time of which it missed most does not count."""
        with self._lock:
            now = time.monotonic()
            self._watched += min(now - self._last, self._seconds * _LONGEST_GAP)
            self._last = now
            return self._watched

    def silent(self, connection: Connection, owners: Collection[str]) -> dict[str, float]:
        """Look at the leases of some owners; return those that are silent, with their latest heartbeats."""
        now = self.tick()
        heartbeats: dict[str, set[float]] = {}
        for some in chunks(sorted(owners)):
            query = sa.select(LEASES.c.owner, LEASES.c.heartbeat).where(LEASES.c.owner.in_(some)).distinct()
            for owner, heartbeat in connection.execute(query):
                heartbeats.setdefault(owner, set()).add(heartbeat)
        silent = {}
        for owner, found in heartbeats.items():
            known, since = self._seen.get(owner, (set(), now))
            # Heartbeats that are gone are no sign of life: others may have taken those leases over.
            since = since if found <= known else now
            self._seen[owner] = found, since
            if now - since >= self._seconds:
                silent[owner] = max(found)
        return silent


def take_leases(
    connection: Connection, keys: Sequence[str], owner: str, heartbeat: float, watch: LeaseWatch
) -> set[str]:
    """Take the leases that are free or whose owner is dead; return the keys of those taken now.

    Args:
        connection: in a transaction that may write.
        keys: different ones, sorted.
        owner: who takes them.
        heartbeat: of the leases taken.
        watch: of this process.
    """
    rows = [{"key": key, "owner": owner, "heartbeat": heartbeat} for key in keys]
    held, refused = insert_missing(connection, LEASES, rows, *LEASES.c)
    taken = set(keys) - held.keys() - refused.keys()
    if not held:
        return taken
    owners = {row.owner for row in held.values()}
    ended = {other for other in owners if _has_ended(other)}
    silent: Mapping[str, float] = watch.silent(connection, owners - ended)
    dead = sorted(key for key, row in held.items() if row.owner in ended or row.owner in silent)
    # Checked again in the statement: the heartbeat may have been renewed, or the lease been taken over, meanwhile.
    unchanged = sa.and_(LEASES.c.owner.in_(silent), LEASES.c.heartbeat <= max(silent.values(), default=0.0))
    for some in chunks(dead):
        is_dead = sa.or_(LEASES.c.owner.in_(ended), unchanged)
        connection.execute(
            LEASES.update().where(LEASES.c.key.in_(some), is_dead).values(owner=owner, heartbeat=heartbeat)
        )
    after = present(connection, dead, LEASES.c.key, LEASES.c.owner)
    return taken | {key for key, row in after.items() if row.owner == owner}


def drop_leases(connection: Connection, keys: Collection[str], owner: str) -> None:
    """Delete the leases of an owner with these keys; those of others stay."""
    for some in chunks(sorted(keys)):
        connection.execute(LEASES.delete().where(LEASES.c.key.in_(some), LEASES.c.owner == owner))


def _has_ended(owner: str) -> bool:
    process = process_of(owner)
    return process is not None and process.is_alive() is False
