"""The suite `gcnn`: G-CNNs on rotated MNIST, for training, and on a part of CIFAR-10, held out."""

from dataclasses import replace

from aen.bench.definition import Part, TableDefinition
from aen.children.gcnn import GCNNSpec
from aen.children.training_spec import TrainingSpec
from aen.data.spec import DataSpec
from aen.spaces import GCNNSpace

GROUPS = ("C1", "C2", "C4", "D1", "D4")
AUGMENTATIONS = ("rotation", "hflip")


def tables() -> tuple[TableDefinition, ...]:
    """Return the definitions of ``gcnn-rotmnist`` and ``gcnn-cifar10``."""
    mnist = DataSpec("rotmnist-rebuilt", train=1000, validation=1000, test=2000)
    cifar = DataSpec("cifar10", train=1000, validation=1000, test=2000)
    return (
        _table("gcnn-rotmnist", "training", GCNNSpec(data=mnist, side=28, channels=1)),
        _table("gcnn-cifar10", "held-out", GCNNSpec(data=cifar, side=32, channels=3)),
    )


def _table(name: str, part: Part, child: GCNNSpec) -> TableDefinition:
    child = replace(
        child,
        width=6,
        norm="batch",
        dropout=0,
        training=TrainingSpec(epochs=4, batch_size=64, learning_rate=0.005, curve=True),
    )
    space = GCNNSpace(child, groups=GROUPS, augmentations=AUGMENTATIONS, size_factors=(1.0, 1.5))
    return TableDefinition(name=name, part=part, space=space, seeds=(0, 1), seconds_per_child=12)
