"""The token that a Ray cluster may ask for: a Ray that is started on this machine leaves one in the home folder."""

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

MODE = "RAY_AUTH_MODE"  # token, disabled, or unset


@dataclass(frozen=True)
class Token:
    """A token of this machine.

    Attributes:
        value: it.
        source: where it is kept, in words.
    """

    value: str
    source: str


def find_token() -> Token | None:
    """Return the token that Ray would take: of $RAY_AUTH_TOKEN, else of a file; None: there is none."""
    value = os.environ.get("RAY_AUTH_TOKEN", "").strip()
    if value:
        return Token(value, "$RAY_AUTH_TOKEN")
    file = Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or Path.home() / ".ray" / "auth_token")
    with suppress(OSError, UnicodeDecodeError):
        value = file.read_text("utf-8").strip()
    return Token(value, str(file)) if value else None


def mode() -> str | None:
    """Return whether Ray shows a token, as the environment says: ``token``, or something else; None: unsaid."""
    return os.environ.get(MODE, "").strip().lower() or None


def token_to_show() -> str | None:
    """Return the token that Ray shows at present, if any."""
    token = find_token() if mode() == "token" else None
    return token.value if token is not None else None


def show_token() -> None:
    """Have Ray show its token from now on."""
    os.environ[MODE] = "token"
    with suppress(Exception):  # where this Ray has no such thing it reads the environment when it connects
        from ray._raylet import Config  # type: ignore[attr-defined]

        Config.initialize("")  # what it read when it was imported


def why_refused(token: Token | None) -> str:
    """Say why a cluster that asks for a token does not let us in, and what would help.

    Args:
        token: that was found here, if any.
    """
    remedy = "copy ~/.ray/auth_token of the head's machine to this one, or name a copy in RAY_AUTH_TOKEN_PATH."
    if mode() not in (None, "token"):
        return f"the cluster there asks for a token, but {MODE} is {os.environ[MODE]!r} here: unset it, or say token."
    if token is None:
        return f"the cluster there asks for a token, and there is none here: {remedy}"
    return f"the cluster there refuses the token of {token.source}; it asks for its head's: {remedy}"
