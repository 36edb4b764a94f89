"""Layers whose weights are tied by a group."""

from aen.nn.equivariance import equivariance_errors
from aen.nn.heads import FreeHead, InvariantHead
from aen.nn.linear import SymmetrizedLinear
from aen.nn.tying import OrbitTable

__all__ = ["FreeHead", "InvariantHead", "OrbitTable", "SymmetrizedLinear", "equivariance_errors"]
