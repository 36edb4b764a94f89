"""Hides secrets, and the server's folders, in text that a client or a log is shown."""

import logging
import re
import tempfile
from functools import cache
from pathlib import Path

from aen._secrets import HIDDEN, hide_secrets
from aen._text import printable

# Tokens of clients are known by their form: the service itself has only their hashes.
_TOKEN = re.compile(r"aen_[A-Za-z0-9_-]{16,}")


def hide_all(text: str) -> str:
    """Return a text with tokens, and what `hide_secrets` hides, replaced by ``***``."""
    return _TOKEN.sub(f"aen_{HIDDEN}", hide_secrets(text))


def hide_folders(text: str, root: Path) -> str:
    """Return a text in which paths begin at the root of the runs, and other folders of the server have no names."""
    if "/" in text:
        for pattern, shown in _folders(root, Path.cwd()):
            text = pattern.sub(shown, text)
    return text


@cache
def _folders(root: Path, here: Path) -> list[tuple[re.Pattern[str], str]]:
    """Return patterns of folders, the longest first, and what is shown in their place."""
    folders = {
        str(root.absolute()): root.name or "runs",
        str(root.resolve()): root.name or "runs",
        str(here): ".",
        tempfile.gettempdir(): "TMP",
        str(Path.home()): "~",
    }
    return [
        (re.compile(rf"(?<![\w./-]){re.escape(folder)}(?=[/\s:;,'\").]|$)"), folders[folder].replace("\\", r"\\"))
        for folder in sorted(folders, key=len, reverse=True)
        if folder != "/"
    ]


class SafeFormatter(logging.Formatter):
    """Formats records without secrets; what was sent by a client cannot begin a line or change a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the text of a record."""
        return printable(hide_all(super().format(record)), keep="\n")
