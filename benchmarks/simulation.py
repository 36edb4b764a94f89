"""Children for measuring everything but training: see `sleeper.py` for what is done instead."""

from aen.children import DenseSpec, TrainingSpec
from aen.data import DataSpec
from aen.groups import Alphabet, Generator


def specs(count: int) -> list[DenseSpec]:
    """Return specs that differ in their seeds alone."""
    child = DenseSpec(data=DataSpec("digits"), grids=(8, 4), training=TrainingSpec(epochs=1))
    return [child.with_seed(seed) for seed in range(count)]


def wide_space(factors: int = 20) -> tuple[DenseSpec, Alphabet]:
    """Return a child and an alphabet in which each of the 2^factors states is a class of its own.

    Factor i exchanges two cells of the images that no other factor touches, and none of the hidden grid.
    """
    side, hidden = 8, 2
    generators = {}
    for i in range(factors):
        cells = list(range(side**2))
        cells[2 * i], cells[2 * i + 1] = cells[2 * i + 1], cells[2 * i]
        generators[f"pair{i}"] = Generator.from_permutations(f"pair{i}", [cells, list(range(hidden**2))])
    child = DenseSpec(data=DataSpec("digits"), grids=(side, hidden), training=TrainingSpec(epochs=1))
    return child, Alphabet.of(list(generators), generators)
