"""The suite `layerwise`: digits with a decomposition for each of two layers, on a listed part of the classes."""

from itertools import combinations

from aen.bench.definition import Part, TableDefinition
from aen.children.dense import DenseSpec
from aen.children.training_spec import TrainingSpec
from aen.data.spec import DataSpec
from aen.groups.alphabet import Alphabet
from aen.spaces import LayerwiseDecompositionSpace

FACTORS = ("rot90", "hflip", "vflip", "quadrants", "swap_lr", "swap_tb")
MOST_CHOSEN = 4  # factors over both layers of the listed states: D4 in both layers takes four


def tables() -> tuple[TableDefinition, ...]:
    """Return the definitions of ``layerwise-1``, for training, and ``layerwise-2``, which is held out."""
    return _table(1, "training", ("rot90", "hflip")), _table(2, "held-out", ("hflip", "swap_lr"))


def _table(number: int, part: Part, moves: tuple[str, ...]) -> TableDefinition:
    data = DataSpec("digits", split_seed=number, moves=moves, moves_seed=number)
    training = TrainingSpec(epochs=10, batch_size=64, learning_rate=0.01, curve=True)
    child = DenseSpec(data=data, grids=(8, 16, 16), head="free", training=training)
    space = LayerwiseDecompositionSpace(child, Alphabet.of(FACTORS))
    return TableDefinition(
        name=f"layerwise-{number}",
        part=part,
        space=space,
        seeds=(0, 1),
        class_keys=listed_classes(space),
        seconds_per_child=0.3,
    )


def listed_classes(space: LayerwiseDecompositionSpace) -> tuple[str, ...]:
    """Return the keys of the classes of all states with at most four factors, so that single changes stay in a table.

    They are in the order in which they are met, each once.
    """
    places = range(len(space.sizes))
    chosen = (some for count in range(MOST_CHOSEN + 1) for some in combinations(places, count))
    states = (tuple(int(place in some) for place in places) for some in chosen)
    return tuple(dict.fromkeys(space.spec_of(state).class_key for state in states))
