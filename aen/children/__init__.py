"""Child networks: specs, which describe a network and its training, and the modules built from them."""

from aen.children.augmenter import Augmenter
from aen.children.child import Child, build_child
from aen.children.dense import DenseSpec
from aen.children.dense_child import DenseChild
from aen.children.equinas import EquiNASSpec
from aen.children.equinas_child import EquiNASChild
from aen.children.gcnn import GCNNSpec
from aen.children.gcnn_child import GCNNChild
from aen.children.spec import KINDS, ChildSpec, Kind
from aen.children.training_spec import TrainingSpec

__all__ = [
    "KINDS",
    "Augmenter",
    "Child",
    "ChildSpec",
    "DenseChild",
    "DenseSpec",
    "EquiNASChild",
    "EquiNASSpec",
    "GCNNChild",
    "GCNNSpec",
    "Kind",
    "TrainingSpec",
    "build_child",
]
