"""Benchmark tables with made-up results: of a small space, or under the name of a table of a suite."""

from pathlib import Path

import numpy as np

from aen.bench import Table, TableDefinition
from aen.bench.files import COLUMNS, write_table
from aen.children import DenseSpec, TrainingSpec
from aen.data import DataSpec
from aen.groups import Alphabet
from aen.spaces import DecompositionSpace

SEEDS = (0, 1, 2)


def small_definition(name: str = "digits-01") -> TableDefinition:
    """Return the definition of a table with the 8 subsets of three factors."""
    data = DataSpec("digits", train=60, validation=60, test=60)
    child = DenseSpec(data=data, grids=(8, 8), head="free", training=TrainingSpec(epochs=2, batch_size=20))
    space = DecompositionSpace(child, Alphabet.of(["rot90", "hflip", "vflip", "swap_lr"]))
    return TableDefinition(name=name, part="training", space=space, seeds=SEEDS)


def made_table(accuracy, definition: TableDefinition | None = None, seconds=1.0) -> Table:
    """Return a table with these accuracies after the second epoch, shape ``[classes, seeds]``."""
    definition = small_definition() if definition is None else definition
    whole = np.asarray(accuracy, dtype=np.float64)
    results = {name: np.stack([0.5 * whole, whole], axis=2) for name in COLUMNS}
    results["seconds"] = np.stack([0.5 * np.ones_like(whole), np.ones_like(whole)], axis=2) * seconds
    return Table(definition, (1, 2), results, np.arange(1, len(whole) + 1), {})


def random_table(seed: int = 0, name: str = "digits-01") -> Table:
    """Return a table with made-up accuracies that differ between classes and seeds."""
    definition = small_definition(name)
    random = np.random.default_rng(seed)
    count = len(definition.classes)
    return made_table(0.7 + 0.2 * random.random((count, 1)) + 0.01 * random.random((count, len(SEEDS))), definition)


def write_tables(folder: Path, *names: str) -> Path:
    """Write made-up tables under the names of a suite's tables; return the folder."""
    folder.mkdir(exist_ok=True)
    for seed, name in enumerate(names):
        table = random_table(seed, name)
        images = table.definition.child.data.train
        for accuracy in ("train_accuracy", "validation_accuracy"):  # files have them as numbers of images
            table.results[accuracy] = np.rint(table.results[accuracy] * images) / images
        write_table(table, folder / f"{name}.parquet")
    return folder
