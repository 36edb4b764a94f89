"""Runs a comparison from its plan to its files."""

import time
from collections.abc import Sequence
from functools import partial
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from aen._typing import JsonDict
from aen_agents.compare.cells import run_cells
from aen_agents.compare.folder import CompareFolder
from aen_agents.compare.page import write_page
from aen_agents.compare.plan import Cell, Plan
from aen_agents.compare.summary import summarise
from aen_agents.text import counted

_LOG_EVERY = 10.0  # seconds


def run_comparison(
    plan: Plan, folder: CompareFolder, console: Console, *, workers: int, together: int, typed: str
) -> JsonDict:
    """Make the runs that are missing, and write the results of all; return the summary.

    However it ends, ``results.csv``, ``summary.json`` and the page are written of the runs that are finished.

    Args:
        plan: what is compared.
        folder: gets the files; it is locked.
        console: shows the progress.
        workers: number of processes.
        together: how many runs of an agent on a table a process makes before it returns them.
        typed: the command, for the page.
    """
    started = time.monotonic()
    wanted = plan.expected()
    runs = folder.read_runs(wanted, partial(_say, console))
    size = max(1, min(together, -(-len(wanted) // (4 * workers))))
    cells = list(plan.cells(runs.keys() & wanted.keys(), size))
    held_out = [table.name for table in plan.tables if table.definition.part == "held-out"]
    if held_out:
        _say(console, f"note: {counted(len(held_out), 'held-out table')}: agents are judged on them, not tuned on them")
    missing = sum(len(cell.seeds) for cell in cells)
    kept = f"; {len(wanted) - missing:,} are known" if missing < len(wanted) else ""
    _say(console, f"{counted(missing, 'run')} on {counted(len(plan.tables), 'table')}{kept}")
    try:
        with _Shown(console, len(wanted), len(wanted) - missing) as shown:

            def done(cell: Cell, lines: Sequence[JsonDict]) -> None:
                folder.add_runs(lines)
                runs.update({line["key"]: line for line in lines})
                shown.advance(cell, len(lines))

            run_cells(cells, plan.folder, workers=workers, done=done)
    finally:
        summary: JsonDict = {}
        if runs.keys() & wanted.keys():
            rows, summary = summarise(plan, runs, command=typed, seconds=time.monotonic() - started)
            folder.write_results(rows)
            folder.write_summary(summary)
            write_page(folder, summary)
    return summary


class _Shown:
    """The progress: a bar in a terminal, a line every few seconds in a log."""

    def __init__(self, console: Console, total: int, done: int) -> None:
        self.console, self.total, self.done = console, total, done
        self._said = time.monotonic()
        self._progress = Progress(
            TextColumn("comparing"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task("", total=total, completed=done, note="")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def advance(self, cell: Cell, count: int) -> None:
        """Show that some runs are finished."""
        self.done += count
        note = f"{cell.agent.label} on {cell.table}"
        self._progress.update(self._task, completed=self.done, note=note)
        if not self.console.is_terminal and time.monotonic() - self._said >= _LOG_EVERY:
            self._said = time.monotonic()
            _say(self.console, f"  {self.done:,}/{self.total:,}  {note}")


def _say(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)
