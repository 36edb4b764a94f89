"""Runs the cells of a comparison, in parallel processes, and keeps each run's line in ``runs.jsonl``."""

import multiprocessing
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import torch

from aen._typing import JsonDict
from aen.bench import Table, load
from aen.errors import AenError
from aen.training import cpu_threads
from aen_agents.compare.agents import ComparedAgent
from aen_agents.compare.explorers import run_explorer
from aen_agents.compare.measures import arrays_of
from aen_agents.compare.plan import Cell
from aen_agents.compare.trace import Trained, run_strategy

Progress = Callable[[Cell, Sequence[JsonDict]], None]


class FailedRunError(AenError):
    """An agent failed on a table."""


def run_agent(agent: ComparedAgent, table: Table, *, children: int, seed: int) -> list[Trained]:
    """Return what an agent trains on a table.

    A strategy is asked directly; every other agent is run by its explorer, which gives the same.
    """
    symmetry = table.symmetry
    settings = agent.config.agent
    if hasattr(settings, "strategy"):
        return run_strategy(settings, table, symmetry, children=children, seed=seed)
    return run_explorer(agent.config, table, symmetry, children=children, seed=seed)


def run_cell(cell: Cell, folder: Path | None) -> list[JsonDict]:
    """Return a line for each run of a cell.

    Raises:
        FailedRunError: the agent failed.
    """
    table = load(cell.table, folder)
    lines: list[JsonDict] = []
    for key, seed in zip(cell.keys, cell.seeds, strict=True):
        started = time.perf_counter()
        try:
            trace = run_agent(cell.agent, table, children=cell.children, seed=seed)
        except Exception as error:
            why = str(error) if isinstance(error, AenError) else f"{type(error).__name__}: {error}"
            raise FailedRunError(
                f"agent {cell.agent.label} failed on table {cell.table}, seed {seed}: {why}"
            ) from error
        places, recommended, seconds = arrays_of(trace)
        line: JsonDict = {"key": key, "agent": cell.agent.label, "table": cell.table, "seed": seed}
        line |= {"children": cell.children, "places": places, "recommended": recommended, "seconds": seconds}
        lines.append(line | {"real_seconds": round(time.perf_counter() - started, 4)})
    return lines


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
    with _pool(min(workers, max(len(cells), 1))) as pool:
        waiting = iter(cells)
        running = {pool.submit(run_cell, cell, folder): cell for cell in islice(waiting, 2 * workers)}
        while running:
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                cell = running.pop(future)
                try:
                    lines = future.result()
                except BrokenProcessPool as error:
                    raise FailedRunError(
                        "a process of the comparison was killed, perhaps because the memory is used up; finished runs "
                        f"are kept. Run the command again with fewer --workers than {workers}."
                    ) from error
                done(cell, lines)
                running |= {pool.submit(run_cell, each, folder): each for each in islice(waiting, 1)}


@contextmanager
def _pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    """Provide a pool of processes; an error or an interrupt ends them at once."""
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), initializer=_start_process)
    try:
        yield pool
    except BaseException:
        for process in multiprocessing.active_children():
            process.terminate()
        pool.shutdown(wait=True, cancel_futures=True)
        raise
    pool.shutdown()


def _start_process() -> None:
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent process handles Ctrl-C
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
