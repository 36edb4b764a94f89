"""The invariant dense layer: from feature maps to numbers that the group does not change."""

import abc
from collections.abc import Mapping
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from aen._typing import Float
from aen.groups.planar import PlanarGroup
from aen.nn.fields import FieldType
from aen.nn.module import EquivariantModule, Shape, TiedModule, fan_in_values
from aen.nn.tying import OrbitTable


class SpatialMeanLinear(EquivariantModule):
    """The mean over space, then a dense layer whose full weights are made from fewer values.

    Attributes:
        out_features: number of outputs.
        bias: shape ``[out_features]``, or None.
    """

    out_features: int
    bias: nn.Parameter | None

    @abc.abstractmethod
    def expanded_weight(self) -> Float[Tensor, "out channels"]:
        """Return the whole matrix, one column per channel."""

    def forward(self, x: Float[Tensor, "batch channels *space"]) -> Float[Tensor, "batch out"]:
        """Return the outputs for feature maps ``[batch, channels, height, width]`` or their means over space."""
        self.in_type.check_input(x)
        means = x.flatten(2).mean(dim=2) if x.dim() > 2 else x  # noqa: PLR2004
        return linear(means, self.expanded_weight(), self.bias)

    def evaluate_output_shape(self, shape: Shape) -> tuple[int, ...]:
        """Return ``(batch, out_features)``."""
        self.check_shape(shape)
        return (shape[0], self.out_features)

    def export(self) -> nn.Sequential:
        """Return a mean over space and an ordinary dense layer."""
        weight = self.expanded_weight()
        plain = nn.Linear(self.in_type.channels, self.out_features, bias=self.bias is not None).to(weight)
        with torch.no_grad():
            plain.weight.copy_(weight)
            if self.bias is not None:
                plain.bias.copy_(self.bias)
        return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), plain).train(self.training)


class InvariantLinear(SpatialMeanLinear, TiedModule):
    r"""The mean over space, then a dense layer whose weights are the same for all channels of a field.

    .. math:: y_n = \sum_{o, g} W[n, o] \, \mathrm{mean}_x f[o, g, x] + b_n

    Args:
        in_type: the channels.
        out_features: number of outputs.
        bias: whether to add one value per output. Leave it out in front of a batch norm, which subtracts it again.
        generator: source of the initial values; None takes torch's global one.
        draw: whether to draw initial values at all; False is for who sets them.

    Attributes:
        weight: shape ``[out_features, fields]``.
        bias: shape ``[out_features]``, or None.
    """

    def __init__(
        self,
        in_type: FieldType,
        out_features: int,
        *,
        bias: bool = True,
        generator: torch.Generator | None = None,
        draw: bool = True,
    ) -> None:
        super().__init__()
        self.in_type, self.out_features = in_type, out_features
        self.out_type = FieldType.trivial(in_type.group, out_features)
        members = torch.from_numpy(in_type.field_channels()).t()
        rows = torch.arange(out_features).unsqueeze(1) * in_type.channels
        self.weight_table = OrbitTable.of_members((members.unsqueeze(1) + rows).flatten(1).numpy())
        self.weight = nn.Parameter(torch.empty(out_features, in_type.fields))
        self.bias = nn.Parameter(torch.empty(out_features)) if bias else None
        if draw:
            with torch.no_grad():
                for parameter in self.parameters():
                    parameter.copy_(fan_in_values(tuple(parameter.shape), in_type.channels, generator))

    def expanded_weight(self) -> Float[Tensor, "out channels"]:
        """Return the whole matrix, one column per channel."""
        weight: Tensor = self.weight_table(self.weight.reshape(-1))
        return weight.view(self.out_features, self.in_type.channels)

    def tables(self) -> Mapping[str, OrbitTable]:
        """Return how the weight is expanded; the bias is free."""
        return {"weight": self.weight_table}

    def regrouped(self, group: PlanarGroup) -> Self:
        """Return a layer like this one, tied by another group; its values are not set."""
        layer = type(self)(self.in_type.regroup(group), self.out_features, bias=self.bias is not None, draw=False)
        return layer.to(self.weight).train(self.training)
