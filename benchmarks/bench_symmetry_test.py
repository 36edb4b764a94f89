"""The symmetry test on images with hidden groups: which factors it rejects, by how much, and how long it takes.

Each data set is 5,000 training images of MNIST or Fashion-MNIST, moved by a hidden group. Where every generator has
order 2, or is rot90, `DataSpec.moves` draws uniformly from the group. It applies a generator of a larger order, such as
quadrants, to half of the images once, which leaves no distribution invariant: these images are moved here by uniformly
random elements of the group instead. Run: python benchmarks/bench_symmetry_test.py
"""

import argparse
import platform
import time

import numpy as np
import torch

import aen
from aen.data import DataSpec, load_dataset
from aen.groups import ALPHABETS, Decomposition, enumerate_elements

UNIFORM_MOVES = (
    ("rot90",),
    ("hflip",),
    ("hflip", "vflip"),
    ("rot90", "hflip"),
    ("swap_lr",),
    ("swap_tb", "hflip"),
    ("swap_tb_left",),
)
LARGER_ORDERS = (("quadrants",), ("vshift(4)",), ("hshift(4)", "vflip"))
IMAGES = 5000


def moved(name: str, generators: tuple[str, ...], seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return images, each moved by a random element of the group, and their labels."""
    if generators in UNIFORM_MOVES:
        spec = DataSpec(name, train=IMAGES, validation=1, test=1, moves=generators, moves_seed=seed)
        return (train := load_dataset(spec).train).images, train.labels
    train = load_dataset(DataSpec(name, train=IMAGES, validation=1, test=1)).train
    permutations = [generator.permutation(28) for generator in Decomposition.of(generators).generators]
    elements = enumerate_elements(permutations, 28 * 28, 1000)
    chosen = np.random.default_rng(seed).integers(len(elements), size=IMAGES)
    cells = torch.from_numpy(elements[chosen])[:, None]
    return train.images.flatten(2).gather(2, cells).reshape(train.images.shape), train.labels


def in_group(generators: tuple[str, ...]) -> set[str]:
    """Return the factors of the alphabet that the group contains."""
    hidden = [generator.permutation(28) for generator in Decomposition.of(generators).generators]
    members = {element.tobytes() for element in enumerate_elements(hidden, 28 * 28, 1000)}
    return {
        name
        for name in ALPHABETS["published"]
        if all(g.permutation(28).tobytes() in members for g in Decomposition.of([name]).generators)
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="of the hidden groups' random elements")
    seed = parser.parse_args().seed
    print(f"{platform.processor() or platform.machine()}, torch {torch.__version__}, one thread, seed {seed}")
    aen.symmetry_test(torch.rand(20, 8, 8), torch.zeros(20, dtype=torch.int64))  # imports
    print("| images | hidden group | z of its generators | rejected | smallest z of the others | not rejected | s |")
    print("|---|---|---|---|---|---|---|")
    for name in ("mnist", "fashion_mnist"):
        for generators in ((), *UNIFORM_MOVES, *LARGER_ORDERS):
            images, labels = moved(name, generators, seed)
            started = time.process_time()
            test = aen.symmetry_test(images, labels, "published")
            seconds = time.process_time() - started
            hidden = in_group(generators)
            own = [row for row in test.rows if row.factor.name in hidden]
            others = [row for row in test.rows if row.factor.name not in hidden]
            print(
                f"| {name} | {' x '.join(generators) or 'none'} | {', '.join(f'{row.z:.1f}' for row in own) or '-'} | "
                f"{sum(row.rejected for row in own)} of {len(own)} | {min(row.z for row in others):.1f} | "
                f"{sum(not row.rejected for row in others)} of {len(others)} | {seconds:.1f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
