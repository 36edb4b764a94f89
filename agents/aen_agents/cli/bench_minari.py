"""The command `aen bench minari`: walks through benchmark tables as data sets of Minari."""

import argparse
import sys
from pathlib import Path

from aen_agents.cli.numbers import whole_number

_WALKERS = ("random", "dqn")  # `aen_agents.compare.walk_data.WALKERS`, whose module imports torch


def add_minari_command(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `minari` to the subcommands of `aen bench`."""
    parser = actions.add_parser(
        "minari",
        help="write walks through tables as data sets of Minari",
        description="Write random walks and walks of a DQN through training tables as data sets of Minari, for offline "
        "reinforcement learning. Held-out tables are refused.",
    )
    parser.add_argument("tables", nargs="+", metavar="TABLE", help="names of tables, such as digits-01")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="a folder, as MINARI_DATASETS_PATH")
    parser.add_argument("--tables", type=Path, dest="folder", help="where the tables are (default: those of aen)")
    parser.add_argument("--agents", nargs="+", choices=_WALKERS, default=list(_WALKERS), help="whose walks")
    parser.add_argument("--steps", type=whole_number, default=5000, help="steps of each data set (default: 5000)")
    parser.add_argument("--horizon", type=whole_number, default=20, help="steps of an episode (default: 20)")
    parser.add_argument("--seed", type=whole_number, default=0, help="seed of the agents (default: 0)")
    parser.set_defaults(run=_minari)


def _minari(options: argparse.Namespace) -> int:
    from aen.bench import load
    from aen_agents.compare.walk_data import write_walks

    tables = [load(name, options.folder) for name in options.tables]
    for table in tables:
        for walker in options.agents:
            name = write_walks(
                table,
                options.out,
                walker=walker,
                steps=options.steps,
                horizon=options.horizon,
                seed=options.seed,
            )
            sys.stdout.write(f"{options.out / name}\n")
    return 0
