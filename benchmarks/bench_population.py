"""Children per second: one after the other, and side by side in populations.

Random images of G-MNIST's size and budget (4,000 training and 1,000 validation images, 28x28), children of the
twelve generators with shifts by a quarter; `--grids 8 16 16` for children of the digits' size. Run:
python benchmarks/bench_population.py [--device cuda] [--populations 1 8 64 216].
"""

import argparse
import itertools
import os
import time

import torch
from common import print_table

from aen.children import DenseSpec, TrainingSpec
from aen.data import Dataset, DataSpec, Split
from aen.groups import Alphabet, load_classes
from aen.training import cpu_threads, population_bytes, train_child, train_population


def random_data(side: int, train: int, validation: int) -> Dataset:
    """Return images of noise; what they show makes no difference to the time."""
    source = torch.Generator().manual_seed(0)

    def split(n: int) -> Split:
        images = torch.randn(n, 1, side, side, generator=source)
        return Split(images, torch.randint(0, 10, (n,), generator=source))

    return Dataset(DataSpec("mnist", train=train, validation=validation), 10, split(train), split(validation))


def main() -> None:
    """Time whole trainings, measuring included."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--grids", type=int, nargs="+", default=[28, 20, 20])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--populations", type=int, nargs="+", default=[1, 4, 8])
    parser.add_argument("--threads", type=int, nargs="+", default=sorted({1, os.cpu_count() or 1}))
    parser.add_argument("--epochs", type=int, default=1)
    options = parser.parse_args()
    grids = tuple(options.grids)
    data = random_data(grids[0], 4000, 1000)
    table = load_classes(Alphabet.of("quarter"), grids)
    chosen = itertools.islice(itertools.cycle(table.classes[:: max(len(table.classes) // 216, 1)]), 216)
    spec = DenseSpec(data=data.spec, grids=grids, head="free", training=TrainingSpec(epochs=options.epochs))
    specs = [spec.with_decomposition(table.decomposition(c)).with_seed(i) for i, c in enumerate(chosen)]
    data = data.to(options.device)
    rows = []
    for threads in options.threads:
        some = specs[:: len(specs) // 8][:8]
        with cpu_threads(threads):
            train_child(some[0], data, device=options.device, threads=threads)
            started = time.perf_counter()
            for one in some:
                train_child(one, data, device=options.device, threads=threads)
            seconds = (time.perf_counter() - started) / len(some)
        rows.append((threads, "one by one, each by its own products", f"{seconds:.3f} s", f"{1 / seconds:.2f}", ""))
        for size in options.populations:
            members = (specs[:: max(len(specs) // size, 1)])[:size]
            train_population(members, data, device=options.device, threads=threads)
            started = time.perf_counter()
            train_population(members, data, device=options.device, threads=threads)
            seconds = (time.perf_counter() - started) / size
            memory = f"{population_bytes(spec, size) / 2**20:,.0f} MiB"
            rows.append((threads, f"population of {size}", f"{seconds:.3f} s", f"{1 / seconds:.2f}", memory))
    name = torch.cuda.get_device_name(options.device) if options.device != "cpu" else "cpu"
    heads = ["threads", "how", "per child", "children per second, one process", "memory predicted"]
    print_table(f"{list(grids)}, 4,000 images x {options.epochs} epochs + 1,000, on {name}", heads, rows)


if __name__ == "__main__":
    main()
