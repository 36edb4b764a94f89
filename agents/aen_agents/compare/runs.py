"""Runs a cell of a comparison: the lines of ``runs.jsonl`` of its runs."""

import time
from pathlib import Path

from aen._typing import JsonDict
from aen.bench import Table, load
from aen.errors import AenError
from aen_agents.compare.agents import ComparedAgent
from aen_agents.compare.explorers import run_explorer
from aen_agents.compare.measures import arrays_of
from aen_agents.compare.plan import Cell
from aen_agents.compare.trace import Trained, run_strategy


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
