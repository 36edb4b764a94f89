"""Does bfloat16 rank classes as float32 does?  Every class of a config in both, and float32 on a second seed.

The rank correlation between the precisions means something only beside that between two seeds of one precision: if it
is no lower, rounding changes less than luck does. Run:
python benchmarks/bench_precision.py [--config ... --device cuda].
"""

import argparse
import time
from dataclasses import replace
from pathlib import Path

from common import print_table
from scipy.stats import spearmanr

from aen.children import DenseSpec
from aen.data import load_dataset
from aen.groups import load_classes
from aen.training import train_population
from aen_agents.config import PROJECT_CONFIGS, load_config
from aen_agents.problem import alphabet_of, child_of

TOP = 10


def main() -> None:
    """Train the space three times."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, default=PROJECT_CONFIGS / "digits.yaml")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--population", type=int, default=8)
    options = parser.parse_args()
    config = load_config(options.config)
    child = child_of(config)
    table = load_classes(alphabet_of(config), child.grids)
    data = load_dataset(child.data).to(options.device)

    def accuracies(spec: DenseSpec) -> tuple[list[float], float]:
        specs = [spec.with_decomposition(table.decomposition(c)) for c in table.classes]
        started = time.perf_counter()
        found = []
        for start in range(0, len(specs), options.population):
            some = specs[start : start + options.population]
            trained = train_population(some, data, size=options.population, device=options.device)
            found += [evaluation.validation_accuracy for evaluation in trained]
        return found, time.perf_counter() - started

    half = replace(child.training, precision="bfloat16")
    runs = {
        "float32": accuracies(child),
        "bfloat16, the same seed": accuracies(replace(child, training=half)),
        "float32, another seed": accuracies(child.with_seed(child.seed + 1)),
    }
    reference, _ = runs["float32"]

    def best(values: list[float]) -> set[int]:
        return set(sorted(range(len(values)), key=lambda i: -values[i])[:TOP])

    rows = []
    for name, (values, seconds) in runs.items():
        correlation = spearmanr(reference, values).statistic
        shared = len(best(reference) & best(values))
        mean = sum(values) / len(values)
        rows.append((name, f"{mean:.1%}", f"{correlation:.3f}", f"{shared} of {TOP}", f"{seconds:.0f} s"))
    heads = ["run", "mean accuracy", "rank correlation with the first", f"shared of the best {TOP}", "time"]
    print_table(f"{len(table.classes)} classes of {options.config.stem}, {options.device}", heads, rows)


if __name__ == "__main__":
    main()
