"""The exceptions that aen raises for wrong input. Each message names the argument, the value and the remedy."""

import difflib
from collections.abc import Iterable

_LONGEST, _END = 3000, 500  # characters of a message, and how many of them are its end, where the remedy is
_LONGEST_WORD = 100


class AenError(Exception):
    """Base class of the errors that are caused by the input, not by a fault in aen."""

    def __str__(self) -> str:
        """Return the message. A longer one than a screen, such as one with thousands of keys, is cut in the middle."""
        text = super().__str__()
        return text if len(text) <= _LONGEST else f"{text[: _LONGEST - _END]} [...] {text[-_END:]}"


class GroupError(AenError, ValueError):
    """A generator, factor, alphabet or decomposition that does not exist on its grid."""


class SpecError(AenError, ValueError):
    """A child network that cannot be built or trained as described."""


class DataError(AenError, ValueError):
    """A data set that is missing, too small or malformed."""


class ConfigError(AenError, ValueError):
    """A configuration with an unknown key or a value out of range.

    Attributes:
        key: the dotted key that is wrong, the first if there are several; None: it is not known, or not of one key.
    """

    def __init__(self, message: str, key: str | None = None) -> None:
        super().__init__(message)
        self.key = key


class PluginError(AenError):
    """A plug-in of another package that cannot be loaded."""


class StoreError(AenError):
    """A result store that cannot be opened, read or written."""


class DamagedFileError(StoreError):
    """A file of tensors is missing or damaged; unlike one that may not be read, it can be written again."""


class TableError(AenError, ValueError):
    """A benchmark table that does not exist, is damaged, or has no such entry."""


class ExportError(AenError):
    """A network that cannot be exported, or a file that cannot be written for it."""


class RunFolderError(AenError):
    """A run folder that cannot be made, read, or that belongs to something else."""


def did_you_mean(word: str, options: Iterable[str]) -> str:
    """Return ``' (did you mean X?)'`` for the closest of `options`, or a list of all of them if none is close.

    Args:
        word: what the user wrote.
        options: what could have been meant.

    Returns:
        A clause to append to a message; it starts with a space.
    """
    names = sorted(set(options))
    close = difflib.get_close_matches(word, names, n=1, cutoff=0.6) if len(word) <= _LONGEST_WORD else []
    if close:
        return f" (did you mean {close[0]!r}?)"
    return f" (choose from: {', '.join(names)})" if names else ""
