"""Spaces: which children a search chooses among, and which of its states are the same network."""

from aen.spaces.base import Space, SpaceClass
from aen.spaces.decompositions import DecompositionSpace
from aen.spaces.gcnn import GCNNSpace, Place

__all__ = ["DecompositionSpace", "GCNNSpace", "Place", "Space", "SpaceClass"]
