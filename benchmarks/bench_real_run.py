"""Seconds to a correct verdict on images that no training table is made from: dqn_transfer beside training every class.

Fashion-MNIST with hidden groups, the sets of bench_verdict.py; no training table has images of Fashion-MNIST. Both
searches do the same before and after exploring: reading and testing the images, the selection on new seeds, the test
images, the report. The less a child takes, the more of the time that is.

    python benchmarks/bench_real_run.py [--sets 0 2 8] [--images 20000] [--children 10] [--agents surrogate]
"""

import argparse
import os
from collections.abc import Sequence
from typing import Any

from bench_verdict import HIDDEN, search
from common import print_table

from aen_agents.config import AGENTS

SETS = (0, 2, 8)  # those of even numbers are Fashion-MNIST
MINUTES = 60.0  # no limit
YARDSTICK = "exhaustive"


def main() -> None:
    """Search each set by each agent and print the seconds as multiples of the yardstick's."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", type=int, nargs="+", choices=range(0, HIDDEN, 2), metavar="N", default=list(SETS))
    parser.add_argument("--images", type=int, default=20_000, help="of a set, of which three fifths are trained on")
    parser.add_argument("--epochs", type=int, default=13, help="of each child")
    parser.add_argument("--children", type=int, default=10, help="of a search by another agent than the yardstick")
    parser.add_argument("--agents", nargs="+", default=["dqn_transfer"])
    options = parser.parse_args()
    rows: list[Sequence[Any]] = []
    training = f"training.epochs={options.epochs}"
    at_once = f"agent.children_at_once={os.cpu_count()}"
    for number in options.sets:
        found = {YARDSTICK: search(number, MINUTES, [f"agent={YARDSTICK}", training], options.images)}
        for agent in options.agents:
            words = [f"agent={agent}", f"budget.children={options.children}", training]
            words += [at_once] if "children_at_once" in AGENTS[agent].model_fields else []
            found[agent] = search(number, MINUTES, words, options.images)
        for agent, row in found.items():
            print(f"set {number}, {agent}: {row['sentence']}", flush=True)
            rows.append(cells(agent, row, found[YARDSTICK]["seconds"]))
    heads = ("set", "hidden", "agent", "children", "winner", "names the hidden group", "seconds", f"/ {YARDSTICK}")
    title = f"Seconds to a verdict on {options.images:,} images of Fashion-MNIST, {options.epochs} epochs a child"
    print_table(title, heads, rows)


def cells(agent: str, row: dict[str, Any], yardstick: float) -> Sequence[Any]:
    """Return a row of the table."""
    right = "yes" if row["contains_hidden"] and row["gain_claimed"] else "no"
    hidden, ratio = " + ".join(row["hidden"]), f"{row['seconds'] / yardstick:.2f}"
    return (row["set"], hidden, agent, row["children"], row["named"], right, f"{row['seconds']:.0f}", ratio)


if __name__ == "__main__":
    main()
