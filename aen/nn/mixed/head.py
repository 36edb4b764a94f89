"""Invariant dense layers that mix groups."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from aen._typing import Float, Weighting
from aen.groups.planar import PlanarGroup
from aen.nn.fields import FieldType
from aen.nn.group_head import InvariantLinear, SpatialMeanLinear
from aen.nn.mixed.groups import check_groups, common_group
from aen.nn.mixture import Mixture
from aen.nn.tying import OrbitTable


class MixedInvariantLinear(SpatialMeanLinear):
    """An `InvariantLinear` that mixes groups: the mean over space, then a dense layer of mixed weights.

    Args:
        in_type: the channels; only their layout counts.
        out_features: number of outputs.
        groups: subgroups of the channels' base.
        bias: whether to add one value per output. Leave it out in front of a batch norm, which subtracts it again.
        weighting: see `aen.nn.mixture.Mixture`.
        keep_norm: see `aen.nn.mixture.Mixture`.
        temperature: see `aen.nn.mixture.Mixture`.
        generator: source of the initial values; None takes torch's global one.
    """

    def __init__(
        self,
        in_type: FieldType,
        out_features: int,
        groups: Sequence[PlanarGroup | str],
        *,
        bias: bool = True,
        weighting: Weighting = "softmax",
        keep_norm: bool = True,
        temperature: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.groups = check_groups(groups, in_type.base)
        self.in_type, self.out_features = in_type.regroup(common_group(self.groups)), out_features
        self.out_type = FieldType.trivial(self.in_type.group, out_features)
        branches = [
            InvariantLinear(in_type.regroup(g), out_features, bias=bias, generator=generator) for g in self.groups
        ]
        self.mixture = Mixture(
            [group.name for group in self.groups],
            [branch.weight_table for branch in branches],
            [branch.weight.detach().reshape(-1) for branch in branches],
            weighting=weighting,
            keep_norm=keep_norm,
            temperature=temperature,
        )
        own = branches[0].bias  # no group ties it
        self.bias = None if own is None else nn.Parameter(own.detach())

    @property
    def alpha(self) -> nn.Parameter | None:
        """The strengths before the softmax, one per group."""
        return self.mixture.alpha

    def expanded_weight(self) -> Float[Tensor, "out channels"]:
        """Return the whole matrix."""
        full: Tensor = self.mixture(self.mixture.strengths())
        return full.view(self.out_features, self.in_type.channels)

    def base_table(self, group: PlanarGroup) -> OrbitTable:
        """Return how the values of a matrix tied by a group are expanded to the whole matrix."""
        return InvariantLinear(self.in_type.regroup(group), self.out_features, draw=False).weight_table

    @torch.no_grad()
    def discretise(self) -> InvariantLinear:
        """Return the layer of the strongest branch alone."""
        place = self.mixture.strongest()
        in_type = self.in_type.regroup(self.groups[place])
        layer = InvariantLinear(in_type, self.out_features, bias=self.bias is not None, draw=False)
        layer = layer.to(self.mixture.norms)
        layer.weight.copy_(self.mixture.branch(place).view(layer.weight.shape))
        if self.bias is not None and layer.bias is not None:
            layer.bias.copy_(self.bias)
        return layer.train(self.training)

    def penalty(self, factors: Mapping[PlanarGroup | str, float]) -> Float[Tensor, ""]:
        """Return an L2 penalty, one factor per group; see `aen.nn.mixture.Mixture.penalty`."""
        return self.mixture.penalty({PlanarGroup.of(group).name: factor for group, factor in factors.items()})
