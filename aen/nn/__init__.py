"""Layers whose weights are tied by a group: dense layers between grids, and group convolutions."""

from aen.nn.equivariance import equivariance_errors
from aen.nn.fields import FieldType
from aen.nn.grid_type import GridType
from aen.nn.group_conv import GroupConv2d, LiftingConv2d
from aen.nn.group_head import InvariantLinear
from aen.nn.group_norm import GroupBatchNorm2d
from aen.nn.group_pool import GroupPool, Pointwise, SpatialPool2d
from aen.nn.heads import FreeHead, InvariantHead
from aen.nn.linear import SymmetrizedLinear
from aen.nn.mixed import MixedConv2d, MixedInvariantLinear, MixedSymmetrizedLinear
from aen.nn.module import EquivarianceWarning, EquivariantModule, TiedModule
from aen.nn.morphism import carry_state, distance_to, project, relax, relax_network
from aen.nn.sequential import EquivariantSequential
from aen.nn.stored import load_stored_state, stored_state
from aen.nn.tying import OrbitTable

__all__ = [
    "EquivarianceWarning",
    "EquivariantModule",
    "EquivariantSequential",
    "FieldType",
    "FreeHead",
    "GridType",
    "GroupBatchNorm2d",
    "GroupConv2d",
    "GroupPool",
    "InvariantHead",
    "InvariantLinear",
    "LiftingConv2d",
    "MixedConv2d",
    "MixedInvariantLinear",
    "MixedSymmetrizedLinear",
    "OrbitTable",
    "Pointwise",
    "SpatialPool2d",
    "SymmetrizedLinear",
    "TiedModule",
    "carry_state",
    "distance_to",
    "equivariance_errors",
    "load_stored_state",
    "project",
    "relax",
    "relax_network",
    "stored_state",
]
