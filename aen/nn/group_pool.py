"""Pooling over space and over the group, and pointwise layers."""

import abc
import copy
from typing import Literal, Self

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, max_pool2d

from aen._typing import Float
from aen.errors import SpecError, did_you_mean
from aen.groups.planar import PlanarGroup
from aen.nn.fields import FieldType
from aen.nn.module import EquivariantModule, GridWindow, Shape

Pooling = Literal["mean", "max"]


def _check_kind(kind: str) -> None:
    if kind not in ("mean", "max"):
        raise SpecError(f"unknown kind {kind!r}{did_you_mean(kind, ['mean', 'max'])}.")


class FreeModule(EquivariantModule):
    """An equivariant layer without parameters, that a subgroup leaves as it is."""

    @abc.abstractmethod
    def regrouped(self, group: PlanarGroup) -> Self:
        """Return the same layer for another subgroup of the channels' base."""


class SpatialPool2d(FreeModule):
    """The mean or maximum over windows of every channel.

    Args:
        in_type: the channels.
        kernel_size: side of the windows.
        stride: from window to window; None: the windows do not overlap. Windows that leave a rest break the group;
            there is an `EquivarianceWarning` then.
        padding: cells around the image, zeros for the mean, which counts them, and nothing for the maximum.
        kind: ``mean`` or ``max``.
    """

    def __init__(
        self,
        in_type: FieldType,
        kernel_size: int,
        *,
        stride: int | None = None,
        padding: int = 0,
        kind: Pooling = "max",
    ) -> None:
        super().__init__()
        _check_kind(kind)
        self.in_type = self.out_type = in_type
        self.kind = kind
        self.window = GridWindow(kernel_size, stride=kernel_size if stride is None else stride, padding=padding)

    def forward(
        self, x: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch channels height2 width2"]:
        """Return the pooled feature maps."""
        self.evaluate_output_shape(x.shape)  # type: ignore[arg-type]
        pool = max_pool2d if self.kind == "max" else avg_pool2d
        pooled: Tensor = pool(x, self.window.kernel_size, self.window.stride, self.window.padding)
        return pooled

    def evaluate_output_shape(self, shape: Shape) -> tuple[int, ...]:
        """Return the shape of the output; see `EquivariantModule`."""
        self.check_shape(shape)
        return (*shape[:2], *(self.window.output_side(side, self.group) for side in shape[2:]))

    def export(self) -> nn.Module:
        """Return torch's own pooling."""
        kind = nn.MaxPool2d if self.kind == "max" else nn.AvgPool2d
        return kind(self.window.kernel_size, self.window.stride, self.window.padding)

    def regrouped(self, group: PlanarGroup) -> Self:
        """Return the same pooling for another group."""
        window = self.window
        in_type = self.in_type.regroup(group)
        return type(self)(in_type, window.kernel_size, stride=window.stride, padding=window.padding, kind=self.kind)


class GroupPool(FreeModule):
    """The mean or maximum over the group: one trivial channel per field.

    Args:
        in_type: regular fields.
        kind: ``mean`` or ``max``. A maximum over a group says nothing of the maxima over its cosets' channels apart, so
            a network that has one cannot be relaxed before it.
    """

    members: Tensor
    unit: Tensor

    def __init__(self, in_type: FieldType, kind: Pooling = "mean") -> None:
        super().__init__()
        _check_kind(kind)
        self.in_type, self.kind = in_type, kind
        self.out_type = FieldType.trivial(in_type.group, in_type.fields)
        self.fix("members", torch.from_numpy(in_type.field_channels()))
        self.fix("unit", torch.zeros(()))  # knows the device and type of the network

    def forward(self, x: Float[Tensor, "batch channels *space"]) -> Float[Tensor, "batch fields *space"]:
        """Return the fields' means or maxima."""
        self.in_type.check_input(x)
        fields = x[:, self.members]
        return fields.amax(dim=2) if self.kind == "max" else fields.mean(dim=2)

    def evaluate_output_shape(self, shape: Shape) -> tuple[int, ...]:
        """Return the shape with as many channels as there are fields."""
        self.check_shape(shape)
        return (shape[0], self.out_type.channels, *shape[2:])

    def export(self) -> nn.Module:
        """Return modules of torch for feature maps ``[batch, channels, height, width]``."""
        fields, order = self.members.shape
        window = (order, 1, 1)
        pool = nn.MaxPool3d(window) if self.kind == "max" else nn.AvgPool3d(window)
        sort = nn.Conv2d(self.in_type.channels, self.in_type.channels, 1, bias=False).to(self.unit)
        with torch.no_grad():
            sort.weight.zero_()
            sort.weight[torch.arange(fields * order), self.members.reshape(-1).cpu()] = 1.0
        sort.requires_grad_(requires_grad=False)
        together = torch.equal(self.members.reshape(-1).cpu(), torch.arange(fields * order))
        parts = [nn.Unflatten(1, (fields, order)), pool, nn.Flatten(1, 2)]
        return nn.Sequential(*([] if together else [sort]), *parts)

    def regrouped(self, group: PlanarGroup) -> Self:
        """Return the same pooling over another group; then it has other outputs."""
        return type(self)(self.in_type.regroup(group), self.kind)


class Pointwise(FreeModule):
    """A pointwise function, such as ``torch.nn.ReLU()``: regular and trivial fields let any through.

    Args:
        in_type: the channels.
        function: a module that treats every value alike.
    """

    def __init__(self, in_type: FieldType, function: nn.Module) -> None:
        super().__init__()
        self.in_type = self.out_type = in_type
        self.function = function

    def forward(self, x: Float[Tensor, "batch channels *space"]) -> Float[Tensor, "batch channels *space"]:
        """Return the function's values."""
        y: Tensor = self.function(x)
        return y

    def evaluate_output_shape(self, shape: Shape) -> tuple[int, ...]:
        """Return the shape itself."""
        self.check_shape(shape)
        return tuple(shape)

    def export(self) -> nn.Module:
        """Return a copy of the function, so that changes of it do not affect this layer."""
        return copy.deepcopy(self.function)

    def regrouped(self, group: PlanarGroup) -> Self:
        """Return the same function for another group."""
        return type(self)(self.in_type.regroup(group), self.function)
