"""Whole children, build and validation included, beside a plain PyTorch MLP of their shape.

Run: python benchmarks/bench_child.py.
"""

import os

import torch
from common import median_seconds, print_table
from torch import nn

from aen.children import DenseSpec, TrainingSpec
from aen.data import Dataset, DataSpec, Split, load_dataset
from aen.groups import ALPHABETS, Decomposition, grid_orbits, layer_orbits
from aen.training import cpu_threads, train_child

CASES = [(), ("hflip",), ("swap_tb_left",), ("rot90",), ("hflip", "vflip"), ("rot90", "hflip")]


def train_plain(spec: DenseSpec, split: Split, threads: int) -> None:
    """Train an ordinary MLP with fused Adam: same shape, batches, epochs and threads."""
    images, labels = split.images.flatten(1), split.labels
    cells = [side * side for side in spec.grids]
    with cpu_threads(threads):
        model = nn.Sequential(
            nn.Linear(cells[0], cells[1]), nn.ReLU(), nn.Linear(cells[1], cells[2]), nn.ReLU(), nn.Linear(cells[2], 10)
        )
        optimiser = torch.optim.Adam(model.parameters(), lr=spec.training.learning_rate, fused=True)
        for _ in range(spec.training.epochs):
            for batch in torch.split(torch.randperm(len(labels)), spec.training.batch_size):
                loss = nn.functional.cross_entropy(model(images[batch]), labels[batch])
                optimiser.zero_grad(set_to_none=True)
                loss.backward()
                optimiser.step()


def noise(side: int, train: int, validation: int) -> Dataset:
    """Return random images; what they show makes no difference to the time."""
    source = torch.Generator().manual_seed(0)

    def split(n: int) -> Split:
        images = torch.randn(n, 1, side, side, generator=source)
        return Split(images, torch.randint(0, 10, (n,), generator=source))

    return Dataset(DataSpec("mnist", train=train, validation=validation), 10, split(train), split(validation))


def compare(base: DenseSpec, dataset: Dataset, alphabet: str, threads: int, title: str) -> None:
    """Print a table of children of one shape."""
    rows = []
    for names in (*CASES, ALPHABETS[alphabet]):
        spec = base.with_decomposition(Decomposition.of(names))

        def cold(spec: DenseSpec = spec) -> None:
            layer_orbits.cache_clear()
            grid_orbits.cache_clear()
            train_child(spec, dataset, threads=threads)

        plain = median_seconds(lambda spec=spec: train_plain(spec, dataset.train, threads))
        seconds = median_seconds(cold)
        label = "all twelve" if len(names) > 3 else spec.decomposition.name
        rows.append((label, f"{seconds:.3f} s", f"{plain:.3f} s", f"{seconds / plain:.2f}"))
    heads = ["decomposition", "aen child, orbits and build cold, validation", "plain MLP, training only", "ratio"]
    print_table(title, heads, rows)


def main() -> None:
    """Time whole trainings."""
    data = DataSpec(moves=("rot90", "hflip"))
    digits = DenseSpec(data=data, grids=(8, 16, 16), head="free")
    compare(digits, load_dataset(data), "quarter", 1, "One child, digits, 600 images x 30 epochs, 1 thread")
    cores = os.cpu_count() or 1
    large = DenseSpec(
        data=DataSpec("mnist", train=4000, validation=1000),
        grids=(28, 20, 20),
        head="free",
        bias="scalar_after_relu",
        training=TrainingSpec(epochs=4, learning_rate=1e-3),
    )
    title = f"One child, 28 -> 20 -> 20, 4,000 images x 4 epochs + 1,000, {cores} threads"
    compare(large, noise(28, 4000, 1000), "published", cores, title)


if __name__ == "__main__":
    main()
