"""The suite `products`: another alphabet, of whole small groups, and another grid than the other tables of digits."""

from aen.bench.definition import TableDefinition
from aen.children.dense import DenseSpec
from aen.children.training_spec import TrainingSpec
from aen.data.spec import DataSpec
from aen.groups.alphabet import Alphabet
from aen.spaces import DecompositionSpace

FACTORS = (
    *("rot180", "rot90", "hflip x vflip", "rot90 x| hflip"),  # C2, C4, C2xC2, D4
    *("hshift(1/4)", "vshift(1/4)", "hshift(1/4) x vshift(1/4)", "quadrants"),
)
HIDDEN: tuple[tuple[str, ...], ...] = (("rot90",), ("hflip", "vflip"), ("rot180", "quadrants"), ("vshift(1/4)",))


def tables() -> tuple[TableDefinition, ...]:
    """Return the definitions of ``products-1`` to ``products-4``, which are held out."""
    return tuple(
        TableDefinition(
            name=f"products-{number}",
            part="held-out",
            space=_space(moves, 100 + number),
            seeds=(0, 1, 2),
            seconds_per_child=0.25,
        )
        for number, moves in enumerate(HIDDEN, start=1)
    )


def _space(moves: tuple[str, ...], seed: int) -> DecompositionSpace:
    data = DataSpec("digits", split_seed=seed, moves=moves, moves_seed=seed)
    training = TrainingSpec(epochs=10, batch_size=64, learning_rate=0.01, curve=True)
    child = DenseSpec(data=data, grids=(8, 12, 12), head="free", training=training)
    return DecompositionSpace(child, Alphabet.of(FACTORS))
