"""Small tables that are really built, in seconds."""

from dataclasses import replace

from aen.bench import definition
from aen.bench.building import build_table
from aen.evaluators import LocalEvaluator
from aen.results.store import ResultStore
from aen.spaces import DecompositionSpace

NAME = "digits-03"  # hidden quarter turns


def small(name=NAME, *, classes=4, seeds=(0, 1), epochs=2):
    """The first classes of a table, on fewer images, seeds and epochs."""
    found = definition(name)
    data = replace(found.child.data, train=64, validation=50, test=40)
    child = replace(found.child, data=data, training=replace(found.child.training, epochs=epochs))
    keys = tuple(c.key for c in found.classes[:classes])
    return replace(found, space=DecompositionSpace(child, found.space.alphabet), seeds=seeds, class_keys=keys)


def evaluator_in(folder, **options):
    """Trains in this process, with the store and the weights in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    return LocalEvaluator(ResultStore(folder / "results.sqlite"), weights_folder=folder / "weights", **options)


def build(folder, table=None, **options):
    """Build a small table in a folder."""
    evaluator = evaluator_in(folder)
    try:
        return build_table(table or small(), evaluator, folder, **options)
    finally:
        evaluator.close()
