"""Text of other people in messages: names of files, folders and classes, and values of configs; lists in sentences."""

from collections.abc import Sequence
from unicodedata import category

# Control characters, formatting characters such as those that change the direction of text, and what ends a line.
_ESCAPED = {"Cc", "Cf", "Zl", "Zp"}
_LONGEST = 80  # characters of a value that are shown


def printable(text: str, *, keep: str = "") -> str:
    r"""Return text that can be encoded and shown in one line.

    Bytes of a file name that are not UTF-8 become question marks; control characters, such as line ends and the escapes
    of terminals, and characters that change the direction of text are written as in Python's strings: ``\x1b``,
    ``\u202e``.

    Args:
        text: the text.
        keep: characters that are left as they are.
    """
    if text.isprintable():
        return text
    text = text.encode(errors="replace").decode()
    return "".join(_escaped(c) if category(c) in _ESCAPED and c not in keep else c for c in text)


def joined(words: Sequence[str]) -> str:
    """Join words as English does: ``a``, ``a and b``, ``a, b and c``."""
    *first, last = words or [""]
    return f"{', '.join(first)} and {last}" if first else last


def shortened(text: str, longest: int = _LONGEST) -> str:
    """Return text for a message: cut if it is long, with its length.

    Args:
        text: the text.
        longest: how many characters are kept of a longer one.
    """
    return text if len(text) <= longest else f"{text[:longest]}... ({len(text):,} characters)"


def _escaped(character: str) -> str:
    if character < "\x80":
        return character.encode("unicode_escape").decode()
    units = character.encode("utf-16-be").hex()  # as JSON writes it, which is valid in JSON, too
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))
