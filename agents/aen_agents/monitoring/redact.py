"""Removes passwords from text that is written to files."""

import re

# The password of a URL, up to the "@", as SQLAlchemy parses it; in JSON a backslash may precede a quote.
_USER = re.compile(r"(://[^:/@\s\"]*):(?:[^@\"\\]|\\.)*@")
_OPTION = re.compile(r"([?&][a-z_]*(?:password|passwd|pwd|secret|token)=)(?:[^&\s\"'\\]|\\.)+", re.IGNORECASE)


def hide_secrets(text: str) -> str:
    """Return a text, or a line of JSON, with the passwords in its URLs replaced by ``***``."""
    if "://" not in text:
        return text
    return _OPTION.sub(r"\1***", _USER.sub(r"\1:***@", text))
