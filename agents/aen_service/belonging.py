"""A root and its database belong to each other: each notes the other, so that no other pair is begun by mistake.

Searches and uploads lie below the root, their rows in the database. With another database a service would show none of
them, and have other tokens.
"""

import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import sqlalchemy as sa

from aen._files import write_atomically
from aen._reading import MAX_SMALL, read_text
from aen._secrets import hide_secrets
from aen_service.database import Database
from aen_service.errors import ServiceStartError
from aen_service.folder import root_identity
from aen_service.settings import Settings

NOTE_FILE = "database.json"


@dataclass(frozen=True)
class _Note:
    """What a root notes of its database: its identifier, and its address, without secrets; None: the default one."""

    id: str
    address: str | None


def pair(settings: Settings, database: Database) -> None:
    """Check that a root and a database belong to each other, or to none yet; note that they do.

    A database at the noted address is accepted whatever it contains: it was lost or put back from a backup.

    Args:
        settings: of the service, which has locked the root.
        database: of the service.

    Raises:
        ServiceStartError: one of them belongs to another one, or a note cannot be read or written.
    """
    path, root = settings.folder / NOTE_FILE, root_identity(settings)
    noted, address = _read(path), _address(settings)
    known = database.identity()
    if noted is not None and known != noted.id and address != noted.address:
        other = "below it" if noted.address is None else noted.address
        named = "leave --database out" if noted.address is None else f"name that one (--database {noted.address})"
        raise ServiceStartError(
            f"root {settings.root} belongs to the database {other}, not to {database.shown}; {named}, or name another "
            f"root (--root). If that database is lost, remove {path}: the files of the root stay."
        )
    database.belong_to(root, str(settings.root.absolute()))
    mine = _Note(known or database.identify(), address)
    if mine != noted:
        try:
            write_atomically(path, json.dumps(asdict(mine)), durable=True)
        except OSError as error:
            raise ServiceStartError(f"{path} cannot be written: {error.strerror}; make room, or repair it.") from error


def _read(path: Path) -> _Note | None:
    with suppress(OSError, ValueError, TypeError):  # without a note nothing is lost: a service removes no uploads
        return _Note(**json.loads(read_text(path, MAX_SMALL)))
    return None


def _address(settings: Settings) -> str | None:
    if settings.database is None:
        return None
    url = sa.make_url(settings.database)
    if url.get_backend_name() == "sqlite" and url.database and not url.query and url.database != ":memory:":
        url = url.set(database=str(Path(url.database).absolute()))
    return hide_secrets(url.render_as_string(hide_password=True))
