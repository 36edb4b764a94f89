"""What dqn_transfer needs on training tables that it was not trained on, beside other agents.

Run: python benchmarks/bench_transfer.py [--folds 3] [--steps 36000] [--networks 3] [--set gamma=0.9] [--folder TABLES].
The training tables of the suites are divided into folds; for each, networks are trained on the others. Settings are
chosen by these figures: held-out tables are for the final judgement alone.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import yaml
from common import print_table

from aen.bench import Table, load, training_tables
from aen.bench.table import WITHIN
from aen_agents.agents.transfer.policy_file import save_policy
from aen_agents.agents.transfer.training import train_policy
from aen_agents.compare.trace import run_strategy
from aen_agents.config.strategies import (
    LocalSearchConfig,
    RandomConfig,
    StrategyConfig,
    SurrogateConfig,
    TransferConfig,
)

CHILDREN = 60
NAMES = ("dqn_transfer", "surrogate", "local_search", "random")


def main() -> None:
    """Train on all folds but one, for each, and print what is needed on the one left out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suite", nargs="+", default=["digits"])
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--only", type=int, nargs="*", help="numbers of folds (default: all)")
    parser.add_argument("--steps", type=int, default=36_000, help="of all networks together")
    parser.add_argument("--networks", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--set", nargs="*", default=[], metavar="key=value", help="settings of the DQN")
    parser.add_argument("--folder", type=Path, help="where the tables were built (default: those of the package)")
    options = parser.parse_args()
    settings = {key: yaml.safe_load(value) for key, _, value in (text.partition("=") for text in options.set)}
    names = [table.name for suite in options.suite for table in training_tables(suite)]
    tables = [load(name, options.folder) for name in names]
    needed: dict[str, list[list[float]]] = {name: [] for name in NAMES}
    for fold in range(options.folds) if options.only is None else options.only:
        left_out = tables[fold :: options.folds]
        others = [table for table in tables if table not in left_out]
        policy = train_policy(others, steps=options.steps, seed=options.seed, networks=options.networks, **settings)
        with tempfile.TemporaryDirectory() as folder:
            save_policy(policy.network, file := Path(folder) / "policy.safetensors", policy.about)
            for table in left_out:
                agents = (TransferConfig(policy=str(file)), SurrogateConfig(), LocalSearchConfig(), RandomConfig())
                for name, agent in zip(needed, agents, strict=True):
                    needed[name].append(children_of(agent, table))
    rows = [
        (
            name,
            f"{np.median(found):.1f}",
            f"{np.mean(found):.1f}",
            f"{np.mean(np.array(found) <= 3):.0%}",
            f"{np.mean(np.median(found, axis=1) <= 3):.0%}",
        )
        for name, found in needed.items()
    ]
    heads = ["agent", "children until within 0.5 points (median)", "mean", "among the first 3, runs", "tables"]
    title = f"{len(rows and needed['random'])} training tables, each left out of the training ({options.steps:,} steps)"
    print_table(title, heads, rows)


def children_of(agent: StrategyConfig, table: Table) -> list[float]:
    """Return the children until a class near the best is trained, for each seed of the table; at most one too many."""
    found = []
    for seed in range(len(table.definition.seeds)):
        trace = run_strategy(agent, table, table.symmetry, children=CHILDREN, seed=seed)
        near = [number for number, each in enumerate(trace, start=1) if table.regret[each.place] <= WITHIN]
        found.append(float(near[0] if near else CHILDREN + 1))
    return found


if __name__ == "__main__":
    main()
