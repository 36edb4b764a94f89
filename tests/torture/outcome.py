"""What the scripts of this folder have in common: a scratch folder, and the row with their result."""

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.table import Table


@contextmanager
def scratch_folder(prefix: str, console: Console, *, keep: bool) -> Iterator[Path]:
    """Make a temporary folder; at the end it is removed, or its place is printed."""
    path = Path(tempfile.mkdtemp(prefix=prefix))
    try:
        yield path
    finally:
        if keep:
            console.print(f"files are in {path}")
        else:
            shutil.rmtree(path, ignore_errors=True)


def print_row(console: Console, what: str, tried: tuple[int, int], failed: int, started: float) -> None:
    """Print the result as a table of one row.

    Args:
        console: where.
        what: was tried.
        tried: how many, and how many there are.
        failed: how many.
        started: of `time.monotonic`.
    """
    table = Table("what", "tried", "failed", "seconds")
    table.add_row(what, f"{tried[0]:,} of {tried[1]:,}", f"{failed:,}", f"{time.monotonic() - started:.0f}")
    console.print(table)
