"""What bounds every agent on the tables: the noise of their seeds, and how few classes are near the best.

Run: python benchmarks/bench_table_noise.py [--suite digits] [--part training] [--folder TABLES]. For each table it
prints the standard error of a class's mean over the seeds (the effect of a seed on all classes taken out), and the
number of classes within half a point of the best one. Then it imagines an agent that knows the expected accuracy of
every class before anything is trained, and takes the classes in this order: tables are drawn from the expected
accuracies and the standard error, and the children until a class near the drawn table's best are counted. The expected
accuracies are the table's means, shrunk towards their mean by the share of their variance that is noise (empirical
Bayes).
"""

import argparse
from pathlib import Path

import numpy as np
from common import print_table

from aen.bench import SUITES, Table, load, suite
from aen.bench.table import WITHIN

DRAWS = 1000


def main() -> None:
    """Print a row for each table, and one for all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suite", nargs="+", default=["digits"], choices=list(SUITES))
    parser.add_argument("--part", choices=("training", "held-out"), default="training")
    parser.add_argument("--folder", type=Path, help="where the tables were built (default: those of the package)")
    options = parser.parse_args()
    source = np.random.default_rng(0)
    rows, every = [], []
    for definition in (each for name in options.suite for each in suite(name) if each.part == options.part):
        table = load(definition.name, options.folder)
        error, found = standard_error(table), children_of_knowing(table, source)
        every.append(found)
        near = int((table.regret <= WITHIN).sum())
        rows.append((table.name, f"{100 * error:.1f}", near, *figures(found)))
    rows.append(("all", "", "", *figures(np.concatenate(every))))
    heads = (
        "table",
        "standard error, points",
        "classes near the best",
        "children, median",
        "mean",
        "among the first 3",
    )
    print_table(f"An agent that knows every class's expected accuracy, {DRAWS} draws of each table", heads, rows)


def standard_error(table: Table) -> float:
    """Return the standard error of a class's mean accuracy over the seeds."""
    accuracy = table.accuracy
    own = accuracy - accuracy.mean(axis=0)
    return float(np.sqrt(own.var(axis=1, ddof=1).mean() / accuracy.shape[1]))


def children_of_knowing(table: Table, source: np.random.Generator) -> np.ndarray:
    """Return the children until a class near the best of each drawn table, in the order of the expected accuracies."""
    means, error = table.accuracy.mean(axis=1), standard_error(table)
    kept = max(1 - error**2 / means.var(ddof=1), 0.0)
    expected = np.sort(means.mean() + kept * (means - means.mean()))[::-1]
    drawn = expected + source.normal(0, error, (DRAWS, len(expected)))
    near = drawn >= drawn.max(axis=1, keepdims=True) - WITHIN
    children: np.ndarray = near.argmax(axis=1) + 1
    return children


def figures(children: np.ndarray) -> tuple[str, str, str]:
    """Return the median, the mean and the share that is three at most."""
    return f"{np.median(children):.0f}", f"{children.mean():.1f}", f"{(children <= 3).mean():.0%}"


if __name__ == "__main__":
    main()
