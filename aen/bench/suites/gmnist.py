"""The suites `gmnist` and `gfashion`: the multiple variants of G-MNIST and G-Fashion-MNIST (arXiv 2104.04848)."""

from aen.bench.definition import Part, TableDefinition
from aen.children.dense import DenseSpec
from aen.children.training_spec import TrainingSpec
from aen.data.spec import DataSpec
from aen.groups.alphabet import Alphabet
from aen.spaces import DecompositionSpace

VARIANTS = 6


def gmnist() -> tuple[TableDefinition, ...]:
    """Return the definitions of ``gmnist-multi-0`` to ``gmnist-multi-5``, for training."""
    return _tables("gmnist", "gmnist", "training")


def gfashion() -> tuple[TableDefinition, ...]:
    """Return the definitions of ``gfashion-multi-0`` to ``gfashion-multi-5``, which are held out."""
    return _tables("gfashion", "gfashion_mnist", "held-out")


def _tables(name: str, data: str, part: Part) -> tuple[TableDefinition, ...]:
    return tuple(
        TableDefinition(
            name=f"{name}-multi-{variant}",
            part=part,
            space=_space(f"{data}-multi-{variant}"),
            seeds=(0, 1, 2),
            seconds_per_child=0.55,
        )
        for variant in range(VARIANTS)
    )


def _space(data: str) -> DecompositionSpace:
    # Grids, head, bias and angles as published; fewer images, and a larger learning rate for them.
    child = DenseSpec(
        data=DataSpec(data, train=2000, validation=1000, test=2000, angles="any"),
        grids=(28, 20, 20),
        head="free",
        bias="scalar_after_relu",
        training=TrainingSpec(epochs=4, batch_size=64, learning_rate=0.005, curve=True),
    )
    return DecompositionSpace(child, Alphabet.of("published"))
