"""The command `aen compare`: agents on benchmark tables."""

import argparse
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from aen.errors import ConfigError
from aen_agents.cli.numbers import whole_number
from aen_agents.text import command_line

if TYPE_CHECKING:
    from aen_agents.compare.plan import Plan

_MOST_TOGETHER = 10  # runs of an agent on a table that a process makes before it returns them


def add_compare_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `aen compare` to the command line."""
    compare = commands.add_parser(
        "compare",
        help="compare agents on benchmark tables",
        description="Run agents on tables of whole spaces, where nothing is trained, and compare how many children "
        "they need. The same command with the same --out continues a comparison.",
    )
    compare.add_argument(
        "overrides",
        nargs="*",
        default=[],
        metavar="AGENT",
        help="an agent's name, an agent file, or either with settings: dqn:learning_rate=0.01,layers=[64,64] (default: "
        "the search strategies, dqn and dqn_paper)",
    )
    compare.add_argument("--suite", nargs="+", default=[], metavar="NAME", help="suites of tables (default: digits)")
    compare.add_argument("--tables", nargs="+", default=[], metavar="NAME", help="single tables, such as digits-01")
    compare.add_argument(
        "--part",
        choices=("training", "held-out"),
        help="which tables of the suites (default: training; held-out tables are for the final judgement)",
    )
    compare.add_argument(
        "--seeds", type=whole_number, default=50, metavar="N", help="runs of each agent on each table (default: 50)"
    )
    compare.add_argument(
        "--children", type=whole_number, default=100, metavar="N", help="children of a run at most (default: 100)"
    )
    compare.add_argument(
        "--workers", type=whole_number, metavar="N", help="processes (default: as many as there are cores)"
    )
    compare.add_argument(
        "--folder", type=Path, metavar="TABLES", help="where the tables were built (default: those of the package)"
    )
    compare.add_argument(
        "--out", type=Path, metavar="FOLDER", help="where results go (default: runs/compare-<time>-<id>)"
    )
    compare.set_defaults(run=_compare)


def _compare(options: argparse.Namespace) -> int:
    for name, value in (("--seeds", options.seeds), ("--children", options.children), ("--workers", options.workers)):
        if value is not None and not 0 < value <= 1_000_000:  # noqa: PLR2004
            raise ConfigError(f"{name} is {value}; give a number from 1 to 1,000,000.")
    from aen_agents.cli.safe_console import output_console
    from aen_agents.compare.folder import CompareFolder

    console = output_console(unfailing=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # it ends a comparison like Ctrl-C
    console.print("aen: loading agents and tables", highlight=False)
    plan = _plan(options)
    folder = CompareFolder(options.out)
    folder.create()

    from aen_agents.compare.page import print_summary
    from aen_agents.compare.run import run_comparison

    with folder.locked():
        try:
            summary = run_comparison(
                plan,
                folder,
                console,
                workers=options.workers or _cores(),
                together=_MOST_TOGETHER,
                typed=_typed(options),
            )
        except KeyboardInterrupt:
            console.print(
                f"interrupted; all finished runs are kept. To continue: {_typed(options, folder.path)}",
                markup=False,
                highlight=False,
                soft_wrap=True,
            )
            raise
    print_summary(console, summary, folder)
    return 0


def _plan(options: argparse.Namespace) -> "Plan":
    from aen_agents.compare.agents import default_agents, read_agents
    from aen_agents.compare.plan import Plan, find_tables

    agents = read_agents(options.overrides or default_agents())
    suites = options.suite or ([] if options.tables else ["digits"])
    tables = find_tables(suites=suites, names=options.tables, part=options.part, folder=options.folder)
    for agent in agents:
        for table in tables:
            agent.check(table)
    return Plan(tuple(agents), tables, options.folder, options.seeds, options.children)


def _typed(options: argparse.Namespace, out: Path | None = None) -> str:
    """Return the command that makes this comparison, without secrets."""
    words = [*options.overrides]
    for name in ("suite", "tables"):
        words += [f"--{name}", *getattr(options, name)] if getattr(options, name) else []
    words += ["--part", options.part] if options.part else []
    words += ["--seeds", str(options.seeds), "--children", str(options.children)]
    words += ["--folder", str(options.folder)] if options.folder else []
    out = options.out or out
    words += ["--out", str(out)] if out else []
    return command_line("compare", *words)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
