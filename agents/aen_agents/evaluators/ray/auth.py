"""The authentication token of Ray clusters. A Ray that is started on this machine leaves one in the home folder."""

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from aen_agents.evaluators.ray.internals import reload_configuration

MODE = "RAY_AUTH_MODE"  # token, disabled, or not set


@dataclass(frozen=True)
class Token:
    """A token found on this machine.

    Attributes:
        value: of the token.
        source: environment variable or file that it was read from.
    """

    value: str
    source: str


def find_token() -> Token | None:
    """Return the token that Ray would use: that of $RAY_AUTH_TOKEN, else of a file; None: there is none."""
    value = os.environ.get("RAY_AUTH_TOKEN", "").strip()
    if value:
        return Token(value, "$RAY_AUTH_TOKEN")
    try:
        file = Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or Path.home() / ".ray" / "auth_token")
    except RuntimeError:  # this user has no home folder
        return None
    with suppress(OSError, UnicodeDecodeError):
        value = file.read_text("utf-8").strip()
    return Token(value, str(file)) if value else None


def mode() -> str | None:
    """Return the value of $RAY_AUTH_MODE: ``token`` if Ray sends its token; None: not set."""
    return os.environ.get(MODE, "").strip().lower() or None


def current_token() -> str | None:
    """Return the token that Ray sends at present, if any."""
    token = find_token() if mode() == "token" else None
    return token.value if token is not None else None


def enable_token() -> None:
    """Have Ray send its token from now on."""
    os.environ[MODE] = "token"
    reload_configuration()


def explain_refusal(token: Token | None) -> str:
    """Return why a cluster that requires a token refuses this process, with a remedy.

    Args:
        token: found on this machine, if any.
    """
    remedy = "copy ~/.ray/auth_token from the head's machine to this one, or set RAY_AUTH_TOKEN_PATH to a copy of it."
    if mode() not in (None, "token"):
        return f"the cluster requires a token, but {MODE} is {os.environ[MODE]!r}; unset it, or set it to token."
    if token is None:
        return f"the cluster requires a token, and there is none on this machine: {remedy}"
    return f"the cluster refuses the token of {token.source}, expected that of its head: {remedy}"
