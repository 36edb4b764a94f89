"""Leases: rows that name the owner that trains a spec, with a heartbeat. Leases of dead owners are taken over."""

import os
import socket
from collections.abc import Collection, Sequence
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from aen.results.database import LEASES
from aen.results.rows import chunks
from aen.results.upsert import insert_missing, present


def take_leases(connection: Connection, keys: Sequence[str], owner: str, now: float, seconds: float) -> set[str]:
    """Take the leases that are free or whose owner is dead; return the keys of those taken now.

    Args:
        connection: in a transaction that may write.
        keys: different ones, sorted.
        owner: who takes them.
        now: seconds since the epoch.
        seconds: how long a lease lives after its last heartbeat.
    """
    rows = [{"key": key, "owner": owner, "heartbeat": now} for key in keys]
    held, refused = insert_missing(connection, LEASES, rows, *LEASES.c)
    taken = set(keys) - held.keys() - refused.keys()
    gone = {other for other in {row.owner for row in held.values()} if has_died(other)}
    dead = sorted(key for key, row in held.items() if row.heartbeat < now - seconds or row.owner in gone)
    is_dead = sa.or_(LEASES.c.heartbeat < now - seconds, LEASES.c.owner.in_(gone))
    for some in chunks(dead):
        # Checked again in the statement: the heartbeat may have been renewed, or the lease been taken over, meanwhile.
        connection.execute(LEASES.update().where(LEASES.c.key.in_(some), is_dead).values(owner=owner, heartbeat=now))
    after = present(connection, dead, LEASES.c.key, LEASES.c.owner)
    return taken | {key for key, row in after.items() if row.owner == owner}


def drop_leases(connection: Connection, keys: Collection[str], owner: str) -> None:
    """Delete the leases of an owner with these keys; those of others stay."""
    for some in chunks(sorted(keys)):
        connection.execute(LEASES.delete().where(LEASES.c.key.in_(some), LEASES.c.owner == owner))


def machine() -> str:
    """Name what a process number belongs to: the host and, in containers that share its name, the PID namespace."""
    try:
        namespace = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        namespace = ""
    return f"{socket.gethostname()}/{namespace.strip('pid:[]')}"


def has_died(owner: str) -> bool:
    """Return whether an owner is a process of this machine that no longer exists; others are judged by heartbeat."""
    host, _, rest = owner.partition(":")
    pid = rest.partition(":")[0]
    if host != machine() or not pid.isdigit() or os.name != "posix":
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
