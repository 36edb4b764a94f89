"""Layers on escnn's steerable filters: also for turns finer than quarters and for all rotations.

Importing this package loads no escnn; the first layer does.
"""

from aen.nn.steerable.agreement import native_channels, native_filters, native_weight
from aen.nn.steerable.child import SteerableFeatures
from aen.nn.steerable.filters import parameters_per_pair
from aen.nn.steerable.gspaces import STEERABLE_GROUPS, Fields
from aen.nn.steerable.layers import SteerableConv2d, SteerableLayer
from aen.nn.steerable.loading import load_escnn
from aen.nn.steerable.pointwise import (
    SteerableBatchNorm2d,
    SteerableMaxPool2d,
    SteerableMean,
    SteerablePointwise,
    SteerableReLU,
)

__all__ = [
    "STEERABLE_GROUPS",
    "Fields",
    "SteerableBatchNorm2d",
    "SteerableConv2d",
    "SteerableFeatures",
    "SteerableLayer",
    "SteerableMaxPool2d",
    "SteerableMean",
    "SteerablePointwise",
    "SteerableReLU",
    "load_escnn",
    "native_channels",
    "native_filters",
    "native_weight",
    "parameters_per_pair",
]
