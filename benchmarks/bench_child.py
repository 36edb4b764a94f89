"""One child of the default search, beside a plain PyTorch MLP of its shape.  Run: python benchmarks/bench_child.py."""

import torch
from common import median_seconds, print_table
from torch import nn

from aen.children import ChildSpec
from aen.data import DataSpec, load_dataset
from aen.groups import ALPHABETS, Decomposition
from aen.training import cpu_threads, train_child

CASES = [(), ("hflip",), ("rot90",), ("rot90", "hflip"), ALPHABETS["quarter"]]


def train_plain(spec: ChildSpec) -> None:
    """Train an ordinary MLP with fused Adam: same shape, batches, epochs and thread."""
    data = load_dataset(spec.data).train
    images, labels = data.images.flatten(1), data.labels
    cells = [side * side for side in spec.grids]
    with cpu_threads(1):
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


def main() -> None:
    """Time whole trainings."""
    data = DataSpec(moves=("rot90", "hflip"))
    dataset = load_dataset(data)
    rows = []
    for names in CASES:
        spec = ChildSpec(data=data, grids=(8, 16, 16), head="free", decomposition=Decomposition.of(names))
        plain = median_seconds(lambda spec=spec: train_plain(spec))
        seconds = median_seconds(lambda spec=spec: train_child(spec, dataset))
        label = "all twelve" if len(names) > 3 else spec.decomposition.name
        rows.append((label, f"{seconds:.3f} s", f"{plain:.3f} s", f"{seconds / plain:.2f}"))
    heads = ["decomposition", "aen child, build and validation included", "plain MLP, training only", "ratio"]
    print_table("One child, digits, 600 images x 30 epochs, 1 thread", heads, rows)


if __name__ == "__main__":
    main()
