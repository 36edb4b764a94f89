"""A training step of every class of the published space, beside a plain PyTorch MLP of its shape with fused Adam.

The two are timed in turns, so that a machine that is slow for a moment is slow for both. Beside each time stands the
machine's limit, measured in the same run: the arithmetic alone at the rate of a plain matrix product of this size, and
the memory traffic of Adam at the rate of a copy. Run: python benchmarks/bench_steps.py [--threads 1].
"""

import argparse
import os
import statistics
import time
from collections import defaultdict
from collections.abc import Callable

import torch
from common import median_seconds, print_table
from torch import nn

from aen.children import DenseSpec, build_child
from aen.groups import Alphabet, Decomposition, load_classes
from aen.training import cpu_threads
from aen.training.dense.trainer import DenseTrainer

GRIDS, BATCH, IMAGES = (28, 20, 20), 64, 4000
TURNS, STEPS = 9, 8


def stepper(step: Callable[[torch.Tensor], object]) -> Callable[[], float]:
    """Return a function that times a few steps on random batches, in seconds per step."""
    order = torch.randperm(IMAGES)
    batches = torch.split(order, BATCH)[:STEPS]

    def run() -> float:
        started = time.perf_counter()
        for batch in batches:
            step(batch)
        return (time.perf_counter() - started) / len(batches)

    return run


def plain_step(images: torch.Tensor, labels: torch.Tensor) -> Callable[[], float]:
    """Return the yardstick: the same shape in plain PyTorch."""
    cells = [side * side for side in GRIDS]
    model = nn.Sequential(
        nn.Linear(cells[0], cells[1]), nn.ReLU(), nn.Linear(cells[1], cells[2]), nn.ReLU(), nn.Linear(cells[2], 10)
    )
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)

    def step(batch: torch.Tensor) -> None:
        loss = nn.functional.cross_entropy(model(images[batch]), labels[batch])
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()

    return stepper(step)


def limits() -> tuple[float, float]:
    """Return seconds per multiply-add of a plain product of this size, and per byte copied."""
    x, w = torch.randn(BATCH, 784), torch.randn(784, 400)
    source, target = torch.randn(2**20), torch.empty(2**20)
    product = median_seconds(lambda: [x @ w for _ in range(20)], runs=9) / 20
    copy = median_seconds(lambda: [target.copy_(source) for _ in range(20)], runs=9) / 20
    return product / (BATCH * 784 * 400), copy / (2 * 4 * 2**20)


def profile(decomposition: Decomposition) -> None:
    """Print where the time of one class's steps goes."""
    images, labels = torch.randn(IMAGES, 784), torch.randint(0, 10, (IMAGES,))
    spec = DenseSpec(grids=GRIDS, head="free", bias="scalar_after_relu", decomposition=decomposition)
    child = build_child(spec)
    rows, engine = child.prepare(images), DenseTrainer(child, 1e-3)
    run = stepper(lambda batch: engine.step(rows.index_select(0, batch), labels.index_select(0, batch)))
    run()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profiler:
        for _ in range(TURNS):
            run()
    events = sorted(profiler.key_averages(), key=lambda event: -event.self_cpu_time_total)
    total = sum(event.self_cpu_time_total for event in events)
    table = [
        (event.key, f"{100 * event.self_cpu_time_total / total:.0f} %", event.count / TURNS / STEPS)
        for event in events[:10]
    ]
    print_table(f"A step of {decomposition}", ["operation", "of the time", "calls per step"], table)


def main() -> None:
    """Time every class."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--every", type=int, default=1, help="take every n-th class only")
    parser.add_argument("--profile", nargs="+", metavar="FACTOR", help="say where the time of this class goes instead")
    options = parser.parse_args()
    if options.profile:
        with cpu_threads(options.threads):
            profile(Decomposition.of(options.profile))
        return
    table = load_classes(Alphabet.of("published"), GRIDS)
    images, labels = torch.randn(IMAGES, 784), torch.randint(0, 10, (IMAGES,))
    by_product: dict[str, list[tuple[float, float, str, float]]] = defaultdict(list)
    with cpu_threads(options.threads):
        per_operation, per_byte = limits()
        plain = plain_step(images, labels)
        for network_class in table.classes[:: options.every]:
            spec = DenseSpec(
                grids=GRIDS, head="free", bias="scalar_after_relu", decomposition=table.decomposition(network_class)
            )
            child = build_child(spec)
            rows, engine = child.prepare(images), DenseTrainer(child, 1e-3)

            def step(batch: torch.Tensor, rows: torch.Tensor = rows, engine: DenseTrainer = engine) -> None:
                engine.step(rows.index_select(0, batch), labels.index_select(0, batch))

            ours = stepper(step)
            ours(), plain()
            turns = [(ours(), plain()) for _ in range(TURNS)]
            ratio = statistics.median(a / b for a, b in turns)
            # Forward and both gradients of every product (the first needs none for its input), the head, and Adam.
            first, *others = (layer.product.multiplications for layer in child.tied_layers)
            operations = BATCH * (2 * first + 3 * (sum(others) + 4000))
            limit = operations * per_operation + 28 * child.parameter_count() * per_byte
            name = " -> ".join(type(layer.product).__name__.removesuffix("Product") for layer in child.tied_layers)
            ours_median = statistics.median(a for a, _ in turns)
            by_product[name].append((ratio, ours_median, spec.decomposition.name, ours_median / limit))
    rows_out = []
    for name, cases in sorted(by_product.items(), key=lambda item: statistics.median(c[0] for c in item[1])):
        cases.sort()
        ratios = [case[0] for case in cases]
        rows_out.append(
            (
                name,
                len(cases),
                f"{1000 * statistics.median(case[1] for case in cases):.2f} ms",
                f"{ratios[0]:.2f} / {statistics.median(ratios):.2f} / {ratios[-1]:.2f}",
                cases[-1][2],
                f"{statistics.median(case[3] for case in cases):.1f}",
            )
        )
    heads = ["products", "classes", "step, median", "ratio to plain, best / median / worst", "worst", "x the limit"]
    print_table(f"A step of each class, batch {BATCH}, {options.threads} threads", heads, rows_out)
    everything = sorted(case for cases in by_product.values() for case in cases)
    above = [f"{name} {ratio:.2f}" for ratio, _, name, _ in everything if ratio > 1.1]
    free = [c for c in everything if c[2] in {"rot90", "quadrants", "hflip + vflip", "swap_lr + swap_tb"}]
    print(f"\nMean ratio {statistics.mean(c[0] for c in everything):.2f}; above 1.1: {', '.join(above) or 'none'}.")
    print(f"Groups of order 4 that act freely: {', '.join(f'{name} {ratio:.2f}' for ratio, _, name, _ in free)}.")


if __name__ == "__main__":
    main()
