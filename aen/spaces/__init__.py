"""Search spaces: their states, the child of each state, and the classes of states that are the same network."""

from aen.spaces.as_json import space_from_json, space_to_json
from aen.spaces.base import Space, SpaceClass
from aen.spaces.decompositions import DecompositionSpace
from aen.spaces.gcnn import GCNNSpace, Place
from aen.spaces.layerwise_decompositions import LayerwiseDecompositionSpace
from aen.spaces.relaxations import RelaxationSpace

__all__ = [
    "DecompositionSpace",
    "GCNNSpace",
    "LayerwiseDecompositionSpace",
    "Place",
    "RelaxationSpace",
    "Space",
    "SpaceClass",
    "space_from_json",
    "space_to_json",
]
