"""[G]-mixed layers: several groups in one layer, by the strengths that training gives them (EquiNAS, arXiv 2210.05484).

The sum is taken over full weights, which all stand in the channel order of the largest group, so there is one
convolution or matrix product, not one per group.
"""

from aen.nn.mixed.convolution import MixedConv2d
from aen.nn.mixed.dense import MixedSymmetrizedLinear
from aen.nn.mixed.groups import common_group
from aen.nn.mixed.head import MixedInvariantLinear

__all__ = ["MixedConv2d", "MixedInvariantLinear", "MixedSymmetrizedLinear", "common_group"]
