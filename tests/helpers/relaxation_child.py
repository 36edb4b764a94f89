"""A small network of which layer after layer is relaxed."""

from aen.children import EquiNASSpec, TrainingSpec
from aen.data import DataSpec

# 10 batches an epoch, 3 a slice: slices that do not end with an epoch.
TRAINING = TrainingSpec(epochs=0.3, batch_size=16, learning_rate=1e-2)
CHILD = EquiNASSpec(
    data=DataSpec("digits", train=160, validation=80, test=80, moves=("rot90", "hflip")),
    side=8,
    width=1,
    kernel_size=3,
    dense=8,
    training=TRAINING,
)
FEW = ("D4", "C4", "D2", "C2", "C1")
