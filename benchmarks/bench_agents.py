"""How many children agents need on benchmark tables, beside random search, local search and the published DQN.

Run: python benchmarks/bench_agents.py [--part held-out] [--folder TABLES] [--out FOLDER]. With --out it continues an
earlier comparison of that folder, or only prints it if it is complete; see docs/compare.md.
"""

import argparse
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from common import print_table
from rich.console import Console

from aen._typing import JsonDict
from aen.bench import SUITES, Table
from aen.errors import AenError
from aen_agents.compare.agents import read_agents
from aen_agents.compare.folder import CompareFolder
from aen_agents.compare.page import until_number, until_text
from aen_agents.compare.plan import Plan, find_tables
from aen_agents.compare.run import run_comparison
from aen_agents.config import AGENTS

YARDSTICKS = ("random", "local_search", "dqn_paper")
WALK = "dqn:epsilon=[[0,1.0]]"  # the same agent without a policy: a random walk
AGENTS_COMPARED = ("random", "local_search", "surrogate", "symmetry_test", "dqn_transfer", "dqn", "dqn_paper", WALK)


def main() -> None:
    """Compare the agents and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suite", nargs="+", default=["digits"], choices=list(SUITES))
    parser.add_argument("--tables", nargs="+", default=[])
    parser.add_argument("--part", choices=("training", "held-out"), default="training")
    parser.add_argument("--seeds", type=int, default=10, help="runs of each agent on each table")
    parser.add_argument("--children", type=int, default=100)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--folder", type=Path, help="where the tables were built (default: those of the package)")
    parser.add_argument("--out", type=Path, help="keep the comparison here")
    parser.add_argument("--agents", nargs="+", help="agents as aen compare takes them")
    options = parser.parse_args()
    known = [each for each in AGENTS_COMPARED if each in AGENTS or each in {"dqn_paper", WALK}]
    try:
        suites = [] if options.tables else options.suite
        tables = find_tables(suites=suites, names=options.tables, part=options.part, folder=options.folder)
        agents = read_agents(options.agents or known)
        plan = Plan(tuple(agents), tables, options.folder, options.seeds, options.children)
        with tempfile.TemporaryDirectory() as place:
            folder = CompareFolder(options.out or Path(place) / "comparison")
            folder.create()
            typed = "make bench-agents"
            with folder.locked():
                summary = run_comparison(
                    plan, folder, Console(stderr=True), workers=options.workers, together=5, typed=typed
                )
                runs = folder.read_runs(plan.expected(), print)
    except AenError as error:
        parser.exit(2, f"bench_agents: {error}\n")
    part = f"{len(tables)} {options.part} tables, {options.seeds} runs each, {options.children} children at most"
    print_children(summary, part)
    print_hidden(plan, runs, part)


def print_children(summary: JsonDict, part: str) -> None:
    """Print how many children each agent needs, as a multiple of the yardsticks."""
    by_agent = {agent["agent"]: agent for agent in summary["agents"]}
    yardsticks = [name for name in YARDSTICKS if name in by_agent]
    rows = []
    for name, agent in by_agent.items():
        found = agent["first_trained"]
        ratios = [_ratio(found["median"], by_agent[each]["first_trained"]["median"]) for each in yardsticks]
        medians = [table[name]["first_trained"] for table in summary["by_table"].values() if name in table]
        rows.append(
            (
                name,
                until_text(found),
                *ratios,
                _better(summary["by_table"], name, "dqn_paper") if "dqn_paper" in by_agent else "-",
                f"{agent['within_first_3']:.0%}",
                f"{np.mean([median is not None and median <= 3 for median in medians]):.0%}",
                f"{agent['real_seconds']:.2f} s",
            )
        )
    heads = [
        "agent",
        "children until within 0.5 points (median)",
        *(f"/ {name}" for name in yardsticks),
        "tables on which it is better than dqn_paper",
        "among the first 3, runs",
        "among the first 3, tables (by median)",
        "time of a run",
    ]
    print_table(f"Children until a class within 0.5 points of the best is trained: {part}", heads, rows)


def print_hidden(plan: Plan, runs: Mapping[str, JsonDict], part: str) -> None:
    """Print how many children each agent needs until it has trained the hidden group."""
    hidden = {table.name: place for table in plan.tables if (place := hidden_place(table)) is not None}
    counts: dict[str, list[float]] = {}
    for key, (label, table, _) in plan.keys().items():
        if table in hidden and key in runs:
            places = runs[key]["places"]
            found = places.index(hidden[table]) + 1 if hidden[table] in places else np.inf
            counts.setdefault(label, []).append(found)
    if not counts:
        print("\nNo table has a hidden group that is a class of its space.")
        return
    rows = []
    for label, values in counts.items():
        ordered = sorted(values)
        middle, late = (ordered[int(share * (len(ordered) - 1))] for share in (0.5, 0.9))
        texts = [until_number(None if each == np.inf else float(each)) for each in (middle, late)]
        rows.append((label, *texts, f"{sum(np.isfinite(values))} of {len(values)}"))
    heads = ["agent", "median", "90 % quantile", f"found within {plan.children}"]
    print_table(f"Hidden group found: children until it is trained, {len(hidden)} of {part}", heads, rows)


def hidden_place(table: Table) -> int | None:
    """Return the place of the class of the hidden group; None: the images were not moved, or no class is that group."""
    moves = table.definition.hidden
    if not moves:
        return None
    try:
        spec = table.definition.space.spec_of_moves(moves)
    except AenError:
        return None
    return None if spec is None else table.place_of_class.get(spec.class_key)


def _ratio(ours: float | None, theirs: float | None) -> str:
    """Return a ratio of medians; -: one of them is more than the budget."""
    return "-" if ours is None or theirs is None else f"{ours / theirs:.2f}"


def _better(by_table: JsonDict, name: str, other: str) -> str:
    """Return on how many tables an agent has a smaller mean normalised area than another."""
    areas = [
        (row[name]["normalised_area"], row[other]["normalised_area"])
        for row in by_table.values()
        if name in row and other in row
    ]
    return f"{sum(ours < theirs for ours, theirs in areas)} of {len(areas)}"


if __name__ == "__main__":
    main()
