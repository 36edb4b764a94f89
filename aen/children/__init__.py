"""Child networks: the spec that says everything about one, and the module it describes."""

from aen.children.mlp import DenseChild, build_child
from aen.children.spec import ChildSpec, TrainingSpec

__all__ = ["ChildSpec", "DenseChild", "TrainingSpec", "build_child"]
