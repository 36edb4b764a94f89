"""Runs the cells of a comparison, in this process or in parallel ones."""

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, wait
from itertools import islice
from pathlib import Path

from aen._typing import JsonDict
from aen.training import cpu_threads
from aen_agents.compare.plan import Cell
from aen_agents.compare.processes import LostProcessError, cell_pool
from aen_agents.compare.runs import FailedRunError, run_cell

Progress = Callable[[Cell, Sequence[JsonDict]], None]


def run_cells(cells: Sequence[Cell], folder: Path | None, *, workers: int, done: Progress) -> None:
    """Run cells, and call `done` with each as it finishes, in this process.

    Args:
        cells: the cells.
        folder: of the tables; None: those of the package.
        workers: number of processes; 1: this one runs all.
        done: called with a cell and its lines.

    Raises:
        FailedRunError: an agent failed, or a process ended.
    """
    if workers == 1:
        with cpu_threads(1):
            for cell in cells:
                done(cell, run_cell(cell, folder))
        return
    with cell_pool(min(workers, max(len(cells), 1))) as pool:
        waiting = iter(cells)
        running = {pool.submit(cell, folder): cell for cell in islice(waiting, 2 * workers)}
        while running:
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                cell = running.pop(future)
                try:
                    lines = future.result()
                except LostProcessError as error:
                    raise FailedRunError(
                        "a process of the comparison was killed, perhaps because the memory is used up; finished runs "
                        f"are kept. Run the command again with fewer --workers than {workers}."
                    ) from error
                done(cell, lines)
                running |= {pool.submit(each, folder): each for each in islice(waiting, 1)}
