"""Small benchmark tables whose results are drawn at random: no child is trained."""

from dataclasses import replace

import numpy as np
from helpers.table_evaluators import DIGITS, GCNN, TRAINING

from aen.bench import Table, TableDefinition
from aen.bench.files import COLUMNS
from aen.children import DenseSpec
from aen.groups import Alphabet
from aen.spaces import DecompositionSpace, GCNNSpace

DENSE_SPACE = DecompositionSpace(
    DenseSpec(data=DIGITS, grids=(8, 4), head="free", training=replace(TRAINING, epochs=2)),
    Alphabet.of(["rot90", "hflip", "vflip", "swap_lr"]),
)
GCNN_SPACE = GCNNSpace(GCNN, groups=["C1", "C2", "C4", "D4"], augmentations=["rotation", "hflip"])


def drawn_table(
    space=DENSE_SPACE, *, name="drawn", seeds=(3, 5), epochs=(1, 2), class_keys=None, number=0, part="training"
):
    """Return a table of a space; `number` is the seed of its results."""
    definition = TableDefinition(name, part, space, seeds, class_keys)
    random = np.random.default_rng(number)
    shape = (len(definition.classes), len(seeds), len(epochs))
    results = {column: random.uniform(0.2, 0.9, shape).round(2) for column in COLUMNS}
    data = definition.child.data
    for split in ("train", "validation"):  # accuracies are shares of the images
        images = getattr(data, split)
        results[f"{split}_accuracy"] = (results[f"{split}_accuracy"] * images).round() / images
    parameters = random.integers(10, 1000, shape[0])
    return Table(definition, epochs, results, parameters, {})


DENSE_TABLE, GCNN_TABLE = drawn_table(), drawn_table(GCNN_SPACE)
# The arguments of the environment of each id.
TABULAR = {
    "aen/GroupDecompositionTabular-v0": {"table": DENSE_TABLE},
    "aen/GCNNDesignTabular-v0": {"table": GCNN_TABLE},
}
