"""The authentication token of Ray clusters: where it is found, and to which clusters it is sent.

A token lets its owner run code on a cluster, and it is sent unencrypted to whoever listens at the cluster's address. A
token that the user names (`cluster.token_file`, $RAY_AUTH_TOKEN, $RAY_AUTH_TOKEN_PATH) is sent to the cluster of
`cluster.address`. The one that Ray keeps in the home folder is only sent to clusters of this user on this machine: see
`ownership`. Ray itself would send it to every address.
"""

import os
import secrets
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from aen._reading import MAX_SMALL, read_text
from aen._secrets import remember_secret
from aen.errors import AenError
from aen_agents.evaluators.ray.internals import reload_configuration

MODE = "RAY_AUTH_MODE"  # token, disabled, or not set
_MODES = ("token", "disabled")
_VARIABLES = (MODE, "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")

# The environment before `use`, and the token in use.
_before: dict[str, str | None] | None = None
_used: "Token | None" = None


class AuthError(AenError):
    """A mode of authentication that does not exist, or a token that cannot be read."""


@dataclass(frozen=True)
class Token:
    """A token.

    Attributes:
        value: of the token.
        source: environment variable or file that it was read from.
    """

    value: str
    source: str


def named_token(file: str | None = None) -> Token | None:
    """Return the token that the user has named; None: none is named.

    Args:
        file: value of `cluster.token_file`. None: that of $RAY_AUTH_TOKEN, or of the file $RAY_AUTH_TOKEN_PATH.

    Raises:
        AuthError: a file that is named cannot be read, or is empty.
    """
    value = os.environ.get("RAY_AUTH_TOKEN", "").strip()
    if file is None and value:
        return Token(value, "$RAY_AUTH_TOKEN")
    name, path = ("cluster.token_file", file) if file is not None else ("RAY_AUTH_TOKEN_PATH", _path_of_variable())
    if path is None:
        return None
    remedy = "name a file that contains the token of the cluster's head"
    try:
        value = read_text(Path(path).expanduser(), MAX_SMALL).strip()
    except (OSError, ValueError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise AuthError(f"{name} is {path!r}, which cannot be read ({reason}); {remedy}.") from error
    if not value:
        raise AuthError(f"{name} is {path!r}, which is empty; {remedy}.")
    return Token(value, str(Path(path).expanduser()))


def home_token() -> Token | None:
    """Return the token that Ray keeps in this user's home folder, if any."""
    value = ""
    with suppress(OSError, ValueError, RuntimeError):  # RuntimeError: this user has no home folder
        file = Path.home() / ".ray" / "auth_token"
        value = read_text(file, MAX_SMALL).strip()
    return Token(value, str(file)) if value else None


def new_token() -> Token:
    """Return a random token for a cluster that this process starts; it is in no file."""
    return Token(secrets.token_hex(32), "this process")


def mode() -> str | None:
    """Return the value of $RAY_AUTH_MODE: ``token`` or ``disabled``; None: not set.

    Raises:
        AuthError: any other value. Ray takes it as ``disabled``.
    """
    value = os.environ.get(MODE, "")
    if not value:
        return None
    if value.lower() not in _MODES:
        raise AuthError(
            f"{MODE} is {value!r}, with which Ray would authenticate nobody; set it to token or disabled, or unset it."
        )
    return value.lower()


def use(token: Token | None) -> None:
    """Have Ray send a token from now on, or none, until `restore`.

    Args:
        token: to be sent; a cluster that is started by this process and its children requires it.
    """
    global _before, _used  # noqa: PLW0603 - Ray's settings are the process's
    if _before is None:
        _before = {name: os.environ.get(name) for name in _VARIABLES}
    _used = token
    if token is not None:
        remember_secret(token.value)
    _set({MODE: "disabled"} if token is None else {MODE: "token", "RAY_AUTH_TOKEN": token.value})


def restore() -> None:
    """Undo `use`."""
    global _before, _used  # noqa: PLW0603
    if _before is not None:
        _set({name: value for name, value in _before.items() if value is not None})
    _before = _used = None


def current_token() -> str | None:
    """Return the token that Ray sends at present, if any."""
    return None if _used is None else _used.value


def explain_refusal(token: Token | None) -> str:
    """Return why a cluster that requires a token refuses this process, with a remedy.

    Args:
        token: that may be sent to the cluster, if any.
    """
    remedy = "copy ~/.ray/auth_token from the head's machine, and name the copy by cluster.token_file."
    if mode() == "disabled":
        return f"the cluster requires a token, but {MODE} is {os.environ[MODE]!r}; unset it, or set it to token."
    if token is not None:
        return f"the cluster refuses the token of {token.source}, expected that of its head: {remedy}"
    kept = home_token()
    if kept is None:
        return f"the cluster requires a token, and there is none on this machine: {remedy}"
    return (
        f"the cluster requires a token. That of {kept.source} is not sent to it, since the cluster is not one of this "
        f"user on this machine; to send it, set cluster.token_file={kept.source}, or name another file."
    )


def _path_of_variable() -> str | None:
    return os.environ.get("RAY_AUTH_TOKEN_PATH") or None


def _set(values: dict[str, str]) -> None:
    for name in _VARIABLES:
        os.environ.pop(name, None)
    os.environ.update(values)
    reload_configuration()
