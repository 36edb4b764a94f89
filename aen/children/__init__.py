"""Child networks: specs, which describe a network and its training, and the modules built from them."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aen.children.augmenter import Augmenter as Augmenter
    from aen.children.child import Child as Child
    from aen.children.child import build_child as build_child
    from aen.children.dense import DenseSpec as DenseSpec
    from aen.children.dense_child import DenseChild as DenseChild
    from aen.children.equinas import EquiNASSpec as EquiNASSpec
    from aen.children.equinas_child import EquiNASChild as EquiNASChild
    from aen.children.gcnn import GCNNSpec as GCNNSpec
    from aen.children.gcnn_child import GCNNChild as GCNNChild
    from aen.children.spec import KINDS as KINDS
    from aen.children.spec import ChildSpec as ChildSpec
    from aen.children.spec import Kind as Kind
    from aen.children.training_spec import TrainingSpec as TrainingSpec

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

# Read when they are first used: specs are read without torch, which takes seconds to import.
_PLACES = {
    "Augmenter": "aen.children.augmenter",
    "Child": "aen.children.child",
    "ChildSpec": "aen.children.spec",
    "DenseChild": "aen.children.dense_child",
    "DenseSpec": "aen.children.dense",
    "EquiNASChild": "aen.children.equinas_child",
    "EquiNASSpec": "aen.children.equinas",
    "GCNNChild": "aen.children.gcnn_child",
    "GCNNSpec": "aen.children.gcnn",
    "KINDS": "aen.children.spec",
    "Kind": "aen.children.spec",
    "TrainingSpec": "aen.children.training_spec",
    "build_child": "aen.children.child",
}


def __getattr__(name: str) -> object:
    if name in _PLACES:
        return getattr(import_module(_PLACES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
