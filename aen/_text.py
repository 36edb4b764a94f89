"""Text of other people in messages: names of files, folders and classes; lists as sentences have them."""

from collections.abc import Sequence
from unicodedata import category

# Control characters, and what ends a line.
_ESCAPED = {"Cc", "Zl", "Zp"}


def printable(text: str) -> str:
    """Return text that can be encoded and shown in one line.

    Bytes of a file name that are not UTF-8 become question marks; control characters, such as line ends and the escapes
    of terminals, are written as in Python's strings.
    """
    if text.isprintable():
        return text
    text = text.encode(errors="replace").decode()
    return "".join(c.encode("unicode_escape").decode() if category(c) in _ESCAPED else c for c in text)


def joined(words: Sequence[str]) -> str:
    """Join words as English does: ``a``, ``a and b``, ``a, b and c``."""
    *first, last = words or [""]
    return f"{', '.join(first)} and {last}" if first else last
