"""The suite `digits`: scikit-learn's digits with hidden groups that are drawn by a seed."""

from aen.bench.definition import TableDefinition
from aen.children.dense import DenseSpec
from aen.children.training_spec import TrainingSpec
from aen.data.spec import DataSpec
from aen.groups.alphabet import Alphabet
from aen.spaces import DecompositionSpace

_HIDDEN: tuple[tuple[str, ...], ...] = ((), ("rot90",), ("hflip",), ("rot90", "hflip"))
_TRAINING = 2


def tables() -> tuple[TableDefinition, ...]:
    """Return the definitions of the suite's tables."""
    return tuple(
        TableDefinition(
            name=f"digits-{number:02}",
            part="training" if number <= _TRAINING else "held-out",
            space=_space(moves),
            seeds=(0, 1, 2),
        )
        for number, moves in enumerate(_HIDDEN, start=1)
    )


def _space(moves: tuple[str, ...]) -> DecompositionSpace:
    data = DataSpec("digits", train=600, validation=597, test=600, moves=moves)
    training = TrainingSpec(epochs=10, batch_size=64, learning_rate=0.01)
    child = DenseSpec(data=data, grids=(8, 16, 16), head="free", training=training)
    return DecompositionSpace(child, Alphabet.of("quarter"))
