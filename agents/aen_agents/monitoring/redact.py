"""Passwords do not go into files that people share."""

import re

# A user's password in an address, up to the "@" as SQLAlchemy reads it; a backslash may stand before a quote in JSON.
_USER = re.compile(r"(://[^:/@\s\"]*):(?:[^@\"\\]|\\.)*@")
_OPTION = re.compile(r"([?&][a-z_]*(?:password|passwd|pwd|secret|token)=)(?:[^&\s\"'\\]|\\.)+", re.IGNORECASE)


def hide_secrets(text: str) -> str:
    """Return a text, or a line of JSON, with the passwords of the addresses in it replaced by ``***``."""
    if "://" not in text:
        return text
    return _OPTION.sub(r"\1***", _USER.sub(r"\1:***@", text))
