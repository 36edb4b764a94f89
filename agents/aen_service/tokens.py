"""Tokens of clients, and sessions of browsers. Both are random, and the database has their hashes alone."""

import hashlib
import secrets
import time
from dataclasses import dataclass
from typing import Literal, get_args

import sqlalchemy as sa

from aen.errors import did_you_mean
from aen_service.database import SESSIONS, TOKENS, Database
from aen_service.errors import InvalidRequestError, NotFoundError

Role = Literal["viewer", "operator"]
ROLES: tuple[Role, ...] = get_args(Role)
SESSION_SECONDS = 14 * 24 * 3600.0
_PREFIX = "aen_"
_LONGEST_NAME = 64


@dataclass(frozen=True)
class Token:
    """A token, without its secret.

    Attributes:
        id: identifies it.
        name: whose it is.
        role: ``viewer`` may look, ``operator`` may do everything.
        created: when it was made, in seconds since 1970.
        revoked: when it was revoked, or None.
    """

    id: str
    name: str
    role: Role
    created: float
    revoked: float | None = None

    @property
    def may_change(self) -> bool:
        """Whether it allows to change anything."""
        return self.role == "operator"


class Tokens:
    """The tokens of a service.

    Args:
        database: of the service.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, name: str, role: str) -> tuple[Token, str]:
        """Make a token; return it and its secret, which is kept nowhere.

        Raises:
            InvalidRequestError: the role does not exist, or the name does not fit.
        """
        if role not in ROLES:
            raise InvalidRequestError(f"role is {role!r}{did_you_mean(role, ROLES)}.", argument="role")
        if not name.strip() or len(name) > _LONGEST_NAME or not name.isprintable():
            raise InvalidRequestError(
                f"name is {name[:_LONGEST_NAME]!r}; give 1 to {_LONGEST_NAME} printable characters.", argument="name"
            )
        secret = _PREFIX + secrets.token_urlsafe(32)
        token = Token(secrets.token_hex(8), name, role, time.time())
        with self._database.begin() as connection:
            connection.execute(TOKENS.insert().values(**vars(token), hash=_hash(secret)))
        return token, secret

    def list(self) -> list[Token]:
        """Return all tokens, the oldest first."""
        return [_token(row) for row in self._database.rows(sa.select(TOKENS).order_by(TOKENS.c.created))]

    def revoke(self, which: str) -> Token:
        """Revoke a token, and end the sessions of browsers that were begun with it.

        Args:
            which: its identifier, or its name if only one valid token has it.

        Raises:
            NotFoundError: there is no such token, or several have the name.
        """
        everything = self.list()
        known = [token for token in everything if token.revoked is None]
        found = [token for token in known if token.id == which] or [token for token in known if token.name == which]
        if len(found) != 1:
            why = (
                f"{len(found)} valid tokens have the name {which!r}" if found else f"there is no valid token {which!r}"
            )
            hint = "" if found else did_you_mean(which, [token.name for token in known])
            if not found and any(which in {token.id, token.name} for token in everything):
                hint = ": it is revoked already"
            raise NotFoundError(f"{why}{hint}; `aen tokens list` shows their identifiers.", argument="token")
        with self._database.begin() as connection:
            connection.execute(TOKENS.update().where(TOKENS.c.id == found[0].id).values(revoked=time.time()))
            connection.execute(SESSIONS.delete().where(SESSIONS.c.token == found[0].id))
        return found[0]

    def of_secret(self, secret: str) -> Token | None:
        """Return the valid token with this secret."""
        query = sa.select(TOKENS).where(TOKENS.c.hash == _hash(secret), TOKENS.c.revoked.is_(None))
        return next((_token(row) for row in self._database.rows(query)), None)

    def is_valid(self, token: str) -> bool:
        """Return whether a token, by its identifier, has not been revoked."""
        return bool(self._database.rows(sa.select(TOKENS.c.id).where(TOKENS.c.id == token, TOKENS.c.revoked.is_(None))))

    def begin_session(self, token: Token) -> str:
        """Begin the session of a browser; return its secret, for a cookie."""
        secret, now = secrets.token_urlsafe(32), time.time()
        with self._database.begin() as connection:
            connection.execute(SESSIONS.delete().where(SESSIONS.c.expires < now))
            connection.execute(
                SESSIONS.insert().values(hash=_hash(secret), token=token.id, expires=now + SESSION_SECONDS)
            )
        return secret

    def of_session(self, secret: str) -> Token | None:
        """Return the valid token with which the session of a browser was begun."""
        query = (
            sa.select(TOKENS)
            .join(SESSIONS, SESSIONS.c.token == TOKENS.c.id)
            .where(SESSIONS.c.hash == _hash(secret), SESSIONS.c.expires > time.time(), TOKENS.c.revoked.is_(None))
        )
        return next((_token(row) for row in self._database.rows(query)), None)

    def end_session(self, secret: str) -> None:
        """End the session of a browser."""
        with self._database.begin() as connection:
            connection.execute(SESSIONS.delete().where(SESSIONS.c.hash == _hash(secret)))


def _hash(secret: str) -> str:
    # A secret of 256 random bits cannot be guessed from its hash, however fast that is computed.
    return hashlib.sha256(secret.encode()).hexdigest()


def _token(row: sa.Row[tuple[object, ...]]) -> Token:
    return Token(row.id, row.name, row.role, row.created, row.revoked)
