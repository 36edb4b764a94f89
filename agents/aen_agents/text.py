"""Text that several messages share: the name of the command, counts with units, and file names."""

import re
import shlex
import shutil
import sys
from pathlib import Path

from aen._secrets import hide_secrets
from aen._text import printable

__all__ = ["command", "command_line", "counted", "csv_text", "printable"]

# With these at its beginning, a spreadsheet takes a cell for a formula.
_FORMULA = ("=", "+", "-", "@")
_NUMBER = re.compile(r"[-+]?[0-9.]+(e[-+]?[0-9]+)?", re.IGNORECASE)


def csv_text(text: str) -> str:
    """Return text for a cell of a csv file: in one line, and with an apostrophe in front if it begins like a formula.

    Numbers, such as -1, are left as they are.
    """
    text = printable(text)
    return f"'{text}" if text.startswith(_FORMULA) and not _NUMBER.fullmatch(text) else text


def command() -> str:
    """Return the shell command that starts `aen` here: ``aen`` if that is on the PATH, otherwise its file, quoted.

    Use it in hints, such as ``f"To resume: {command()} resume {folder}"``. In a program that is not `aen` itself the
    file is the one beside the running Python.
    """
    typed = Path(sys.argv[0])
    file = typed if typed.name == "aen" else Path(sys.executable).with_name("aen")
    on_path = shutil.which("aen")
    if not file.is_file() or (on_path is not None and Path(on_path).resolve() == file.resolve()):
        return "aen"
    return shlex.quote(str(file))


def command_line(*words: str) -> str:
    """Return a shell command of `aen` for a hint, a page or a file: secrets in it, such as passwords, are ``***``.

    Args:
        words: what follows `aen`; they are quoted.
    """
    return " ".join((command(), *(shlex.quote(hide_secrets(word)) for word in words)))


def counted(count: float, thing: str, things: str | None = None) -> str:
    """Return a number with its unit: `1 trial`, `0.5 GPUs`, `10,000 children`.

    Args:
        count: the number.
        thing: the unit in the singular.
        things: in the plural; left out: the singular and an s.
    """
    return f"{count:,.10g} {thing if count == 1 else things or f'{thing}s'}"
