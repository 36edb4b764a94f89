"""Text that several messages share: the name of the command, counts with units, and file names."""

import shlex
import shutil
import sys
from pathlib import Path

from aen._text import printable

__all__ = ["command", "counted", "printable"]


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


def counted(count: float, thing: str, things: str | None = None) -> str:
    """Return a number with its unit: `1 trial`, `0.5 GPUs`, `10,000 children`.

    Args:
        count: the number.
        thing: the unit in the singular.
        things: in the plural; left out: the singular and an s.
    """
    return f"{count:,.10g} {thing if count == 1 else things or f'{thing}s'}"
