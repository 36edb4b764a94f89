"""Errors of the service: each has an HTTP status, and names the argument, the value and the remedy."""

import re
from typing import ClassVar

from aen.errors import AenError, ConfigError

TOKEN_VARIABLE = "AEN_TOKEN"  # noqa: S105 - the environment variable that holds the token of a client

# A message about a config begins with the key, perhaps behind the name of the config.
_KEY = re.compile(
    r"(?:[^:]{1,200}: )?(?:unknown key )?'?(?P<key>(?:name|seed|data|alphabet|generators|child|space|training|"
    r"environment|budget|agent|selection|evaluator)(?:\.[a-z_]+)*)\b"
)


def argument_of(error: AenError) -> str | None:
    """Return the dotted key of a config, or the argument, that is wrong; None: it is not known."""
    if isinstance(error, ServiceError):
        return error.argument
    if isinstance(error, ConfigError) and error.key is not None:
        return error.key
    found = _KEY.match(str(error))
    return None if found is None else found["key"]


class ServiceError(AenError):
    """A request that cannot be carried out.

    Attributes:
        status: the HTTP status.
        title: a short name of the kind of problem.
        argument: what of the request is wrong, or None.
        value: what it is, or None.
        headers: of the response.
    """

    status: int = 400
    title: ClassVar[str] = "bad request"

    def __init__(
        self,
        message: str,
        *,
        argument: str | None = None,
        value: object = None,
        status: int | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.argument = argument
        self.value = value
        self.status = status or type(self).status
        self.headers = headers or {}


class InvalidRequestError(ServiceError):
    """A request with a value that does not fit."""

    status = 422
    title = "invalid request"


class UnauthenticatedError(ServiceError):
    """A request without a token, or with one that is not valid."""

    status = 401
    title = "no valid token"


class ForbiddenError(ServiceError):
    """A request that the token's role, or the server, does not allow."""

    status = 403
    title = "not allowed"


class NotFoundError(ServiceError):
    """A resource that does not exist."""

    status = 404
    title = "not found"


class ConflictError(ServiceError):
    """A request that does not fit the resource's state."""

    status = 409
    title = "conflict"


class TooLargeError(ServiceError):
    """A request with more bytes than are read."""

    status = 413
    title = "too large"


class QuotaError(ServiceError):
    """A request for more than the token may have."""

    status = 429
    title = "quota exceeded"


class UnavailableError(ServiceError):
    """The service cannot carry out a request now: its disk is full, or a cluster cannot be reached."""

    status = 503
    title = "not available"


class ServiceStartError(AenError):
    """The service cannot start: its root cannot be written, its database is of another version, ..."""


class RemoteSearchError(AenError):
    """A search that cannot be submitted to a service, or that failed there."""
