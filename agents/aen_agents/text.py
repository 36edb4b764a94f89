"""Words that several messages share."""

import shlex
import shutil
import sys
from pathlib import Path


def command() -> str:
    """Return how `aen` is started here, quoted for a shell: ``aen`` if PATH has it, else its file as it was typed.

    Hints put it before a subcommand, such as ``f"To go on: {command()} resume {folder}"``. In a program of the user's
    own its file is the one beside that Python.
    """
    typed = Path(sys.argv[0])
    file = typed if typed.name == "aen" else Path(sys.executable).with_name("aen")
    on_path = shutil.which("aen")
    if not file.is_file() or (on_path is not None and Path(on_path).resolve() == file.resolve()):
        return "aen"
    return shlex.quote(str(file))


def counted(count: float, thing: str, things: str | None = None) -> str:
    """Return a number and what it counts: `1 trial`, `0.5 GPUs`, `10,000 children`."""
    return f"{count:,.10g} {thing if count == 1 else things or f'{thing}s'}"
